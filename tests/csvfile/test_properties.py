"""Any table, in any chunks, resumed anywhere, is what the csv module reads at once."""

import csv
import gzip
import io
import itertools
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from tests.csvfile.broken import zipped
from twolane import csvfile


class Row(BaseModel):
    plain: str
    maybe: str | None
    usual: str = "default"
    number: int = 0


LINE_END = st.sampled_from(["\n", "\r\n", "\r"])
SPECIAL = st.sampled_from(
    [
        '"',
        ",",
        ";",
        "\t",
        "|",
        "\r",
        "\n",
        "\r\n",
        "\u2028",
        "\x85",
        "\x0b",
        "\ufeff",
        "é",
        "€",
        "🛫",
        "表",
        " ",
        "NA",
    ]
)
CELL = st.lists(SPECIAL | st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=5).map(
    "".join
)
NUMBER = st.sampled_from(["", "1", "-2", "x", "1.5"])
RECORD = st.tuples(CELL, CELL, CELL, NUMBER) | st.tuples(CELL, CELL) | st.just(())
MARKS = {"utf_8": b"\xef\xbb\xbf", "utf_16_le": b"\xff\xfe", "utf_16_be": b"\xfe\xff"}
PACKINGS = [bytes, bytes, gzip.compress, lambda data: zipped(("flights.csv", data))]


@dataclass(frozen=True)
class Table:
    upload: bytes
    text: str
    mark: bytes
    delimiter: str
    options: dict[str, str]


@st.composite
def tables(draw) -> Table:
    """A file: four columns and one nobody asked for, with every freedom that CSV leaves."""
    delimiter = draw(st.sampled_from(",;\t|"))
    codec = draw(st.sampled_from([*MARKS, "cp1252", *(["cp932", "gb18030"] if delimiter != "|" else [])]))
    mark = draw(st.sampled_from([b"", MARKS.get(codec, b"")]))

    def field(text: str) -> str:
        text = text.encode(codec, "ignore").decode(codec)
        needed = any(character in text for character in '"\r\n' + delimiter) or draw(st.booleans())
        return '"' + text.replace('"', '""') + '"' if needed else text

    def line(fields) -> str:
        return delimiter.join(map(field, fields)) + draw(LINE_END)

    by_name = ["plain", "maybe", "usual", "number"]
    columns = draw(st.permutations(by_name))
    lines = [line([*columns, "extra"])]
    for cells in draw(st.lists(RECORD, max_size=12)):
        whole = len(cells) == len(by_name)
        lines.append(line([*(cells[by_name.index(name)] for name in columns), "more"] if whole else cells))
    text = "".join(lines)
    if draw(st.booleans()) and not text.endswith(('"\n', '"\r')):
        text = text.rstrip("\r\n")
    data = mark + text.encode(codec)
    # The dialect is told in every second file. So is the encoding where a mark is set: letters thrown together
    # at random are of no language.
    options = {} if mark else {"encoding": codec}
    if draw(st.booleans()):
        options["dialect"] = delimiter
    return Table(draw(st.sampled_from(PACKINGS))(data), text, mark, delimiter, options)


def expected(table: Table) -> tuple[list[dict[str, object]], list[int], int]:
    """Read with the csv module alone: the valid rows, the lines of the others, and all lines."""
    reader = csv.reader(io.StringIO(table.text, newline=""), delimiter=table.delimiter, strict=True)
    names = next(reader)
    rows, lines = [], []
    begins = reader.line_num + 1
    for fields in reader:
        line, begins = begins, reader.line_num + 1
        cells = dict(zip(names, fields, strict=False))
        if fields and (len(fields) != len(names) or cells["number"] not in {"", "1", "-2"}):
            lines.append(line)
        elif fields:
            number = int(cells["number"] or 0)
            row = {
                "plain": cells["plain"],
                "maybe": cells["maybe"] or None,
                "usual": cells["usual"] or "default",
            }
            rows.append({**row, "number": number})
    return rows, lines, reader.line_num


def resumed(data: bytes, chunk_rows: list[int], **options) -> list[csvfile.Chunk[Row]]:
    """Read chunk by chunk, each by a reader of its own that has only the last cursor."""
    chunks: list[csvfile.Chunk[Row]] = []
    for size in itertools.cycle(chunk_rows):
        start = chunks[-1].cursor if chunks else None
        chunk = next(csvfile.read(io.BytesIO(data), Row, start=start, chunk_rows=size, **options), None)
        if chunk is None:
            return chunks
        chunks.append(chunk)
    raise AssertionError


@settings(max_examples=300)
@given(tables(), st.lists(st.integers(1, 5), min_size=1, max_size=4))
def test_chunks_joined_are_the_table(table, chunk_rows):
    rows, rejected_lines, lines = expected(table)
    at_once = list(csvfile.read(io.BytesIO(table.upload), Row, chunk_rows=chunk_rows[0], **table.options))

    for chunks in (resumed(table.upload, chunk_rows, **table.options), at_once):
        assert [row.model_dump() for chunk in chunks for row in chunk.rows] == rows
        assert [rejection.line for chunk in chunks for rejection in chunk.rejected] == rejected_lines
        if chunks:
            assert chunks[-1].offset_bytes == len(table.upload)
            assert chunks[-1].line == lines


@given(st.binary(max_size=200), st.lists(st.integers(1, 5), min_size=1, max_size=3))
def test_any_bytes_behind_a_header_are_rows_or_rejected(noise, chunk_rows):
    data = b"plain,maybe,usual,number\n" + noise

    at_once = list(csvfile.read(io.BytesIO(data), Row, encoding="utf-8"))
    chunks = resumed(data, chunk_rows, encoding="utf-8")

    assert [row for chunk in chunks for row in chunk.rows] == [row for chunk in at_once for row in chunk.rows]
    assert [each for chunk in chunks for each in chunk.rejected] == [
        each for chunk in at_once for each in chunk.rejected
    ]
