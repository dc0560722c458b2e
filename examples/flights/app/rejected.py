"""The rejected rows as a CSV file, for the customer to mend: safe to open in a spreadsheet."""

import csv
import io
import re
from collections.abc import Iterable, Iterator

from twolane.csvfile import Rejected

from . import store

BYTE_ORDER_MARK = "\ufeff"  # else Excel takes UTF-8 for something else
# Where a formula begins: as a cell does, and as a part of one does where a spreadsheet takes the semicolon or the
# tab for the separator and cuts there, or at a line end. A number is none.
FORMULA = re.compile(r"""(^|[;\t\r\n]"*)(?=[=+\-@\t\r])(?![+-]?\d+([.,]\d+)?"*([;\t\r\n]|$))""")


def as_csv(import_id: str) -> Iterator[str]:
    """Line, reason and the row as it stands in the file; a page at a time, however many there are."""
    yield BYTE_ORDER_MARK + csv_text([("line", "reason", "row")])
    line = 0
    while page := read_page(import_id, line):
        yield csv_text((str(line := each.line), each.reason, each.raw) for each in page)


def read_page(import_id: str, after_line: int) -> list[Rejected]:
    """The database is open for a page, not for as long as a slow customer reads."""
    with store.opened() as db:
        return db.rejected(import_id, after_line)


def csv_text(rows: Iterable[Iterable[str]]) -> str:
    """Rows as CSV."""
    text = io.StringIO()
    csv.writer(text).writerows(map(safe, row) for row in rows)
    return text.getvalue()


def safe(cell: str) -> str:
    """What a spreadsheet would take for a formula becomes text by a quote before it."""
    return FORMULA.sub(r"\1'", cell)
