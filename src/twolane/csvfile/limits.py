"""How much of a customer's file is taken before it is called too much."""

from __future__ import annotations

import csv
from dataclasses import dataclass, fields

from twolane.values.errors import UsageError

_CSV_FIELD_CHARACTERS = 131_072


@dataclass(frozen=True, slots=True)
class Limits:
    """What one file may ask for. Bytes are the file's own, before decoding; UTF-16 counts as it does in UTF-8.

    Args:
        max_field_bytes: the longest field, in bytes; a row with a longer one is rejected. Starts at
            131,072, the `csv` module's own limit: raise `csv.field_size_limit` too to go above it.
        max_record_bytes: the longest record, in bytes with its line end; a longer one is rejected
            without being held in memory, and so is all that follows a quote nobody closes. Starts at 1 MiB.
        max_columns: the most columns a header may have. Starts at 1,000.
        max_rows: the most rows of a file, rejected ones included. Starts at 10,000,000.
        max_bytes: the most bytes of a file, of an archive those it unpacks to. Starts at 1 GiB.
        max_expansion: how many times its size an archive may unpack to. Starts at 200; 16 MiB are always
            allowed, since a small file of equal rows packs better than that.

    Raises:
        UsageError: a limit is below 1, or `max_field_bytes` is raised above `csv.field_size_limit()`.
    """

    max_field_bytes: int = _CSV_FIELD_CHARACTERS
    max_record_bytes: int = 1_048_576
    max_columns: int = 1_000
    max_rows: int = 10_000_000
    max_bytes: int = 1_073_741_824
    max_expansion: int = 200

    def __post_init__(self) -> None:
        for field in fields(self):
            if getattr(self, field.name) < 1:
                raise UsageError(
                    f"Limits takes a {field.name} of 1 or more, not {getattr(self, field.name)!r}."
                )
        if self.max_field_bytes > max(csv.field_size_limit(), _CSV_FIELD_CHARACTERS):
            raise UsageError(
                f"max_field_bytes={self.max_field_bytes:,} is more than the csv module reads in this process: "
                f"call csv.field_size_limit({self.max_field_bytes}) first."
            )
