"""A side room: typed rows from a customer's CSV file, in chunks that can be resumed.

It imports the values floor and the standard library; pydantic loads with the first file, charset-normalizer
with the first that is no Unicode.
"""

from twolane.csvfile.checking import check, check_head
from twolane.csvfile.chunk import Chunk, Rejected
from twolane.csvfile.dialect import Dialect
from twolane.csvfile.errors import CsvError, CursorRefused
from twolane.csvfile.limits import Limits
from twolane.csvfile.reader import read
from twolane.csvfile.report import Report
from twolane.csvfile.source import Source

__all__ = [
    "Chunk",
    "CsvError",
    "CursorRefused",
    "Dialect",
    "Limits",
    "Rejected",
    "Report",
    "Source",
    "check",
    "check_head",
    "read",
]
