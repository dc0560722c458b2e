"""The file of the demo: what is made, what is taken, and where its rows end."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path

import pytest

from twolane.cli.demo.data import generate, prepare, real_file
from twolane.cli.demo.failure import DemoFailed
from twolane.cli.demo.rows import Ends, rows


def test_equal_seeds_make_equal_files(tmp_path: Path) -> None:
    one, two, three = (tmp_path / name for name in "123")
    assert generate(one, 7, size_bytes=100_000) == generate(two, 7, size_bytes=100_000)
    assert one.read_bytes() == two.read_bytes()
    assert len(generate(three, 8, size_bytes=100_000)) == 40
    assert one.read_bytes() != three.read_bytes()


def test_every_row_of_a_made_file_is_counted(small_file: Path) -> None:
    assert len(Ends(small_file)) == small_file.read_bytes().count(b"\n") - 1


def test_rows_know_their_lines_and_their_ends(tmp_path: Path) -> None:
    file = tmp_path / "f.csv"
    file.write_bytes(b'\xef\xbb\xbfa,b\r\n1,"x\r\ny"\r\n\r\n2,\xe9\r\n')
    first, second = rows(file)
    assert (first.line, first.fields["b"], second.line) == (2, "x\r\ny", 5)
    ends = Ends(file)
    assert ends.bytes_of(2) == file.stat().st_size
    assert [ends.rows_within(size) for size in (0, ends.bytes_of(1) - 1, ends.bytes_of(1), 99)] == [
        0,
        0,
        1,
        2,
    ]


def test_a_compressed_file_is_unpacked_and_a_plain_one_taken_as_it_is(tmp_path: Path) -> None:
    packed, plain = tmp_path / "f.csv.gz", tmp_path / "p.csv"
    packed.write_bytes(gzip.compress(b"a\n1\n"))
    plain.write_bytes(b"a\n1\n")
    folder = tmp_path / "folder"
    folder.mkdir()
    assert prepare(packed, 1, folder).path == folder / "f.csv"
    assert (folder / "f.csv").read_bytes() == b"a\n1\n"
    assert prepare(plain, 1, folder).path == plain
    with pytest.raises(DemoFailed, match="cannot be read"):
        prepare(tmp_path, 1, folder)


def test_the_real_file_is_found_beside_a_checkout_only(tmp_path: Path) -> None:
    module = tmp_path / "repo" / "src" / "twolane" / "cli" / "demo" / "data.py"
    assert real_file(module) is None
    file = tmp_path / "shared" / "data" / "flights-10mb.csv.gz"
    file.parent.mkdir(parents=True)
    file.touch()
    assert real_file(module) is None
    (tmp_path / "repo" / "examples" / "flights").mkdir(parents=True)
    assert real_file(module) == file


def test_counting_rows_leaves_the_process_its_own_limit_of_a_field(tmp_path: Path) -> None:
    file = tmp_path / "flights.csv"
    file.write_text("a,b\n1," + "x" * 200_000 + "\n")
    before = csv.field_size_limit()
    assert len(list(rows(file))) == 1
    assert csv.field_size_limit() == before
