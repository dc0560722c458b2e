"""A side room: typed rows from a customer's CSV file, in chunks that can be resumed.

It imports the values floor and the standard library; pydantic loads with the first file.
"""

from twolane.csvfile.chunk import Chunk, Rejected
from twolane.csvfile.errors import CsvError, CursorRefused
from twolane.csvfile.limits import Limits
from twolane.csvfile.reader import check_head, read
from twolane.csvfile.source import Source

__all__ = ["Chunk", "CsvError", "CursorRefused", "Limits", "Rejected", "Source", "check_head", "read"]
