"""A row of a customer's file, and an import as the store knows it."""

from datetime import datetime
from typing import Annotated, TypeVar

from pydantic import BaseModel, BeforeValidator, Field

T = TypeVar("T")


def none_if_missing(value: object) -> object:
    """These files write NA where there is no value."""
    return None if value == "NA" else value


Missing = BeforeValidator(none_if_missing)
OrMissing = Annotated[T | None, Missing]

# Every number has bounds: what SQLite cannot hold must be a rejected row, not a failed import.
Clock = Annotated[int, Field(ge=0, le=2400)]  # 517 is 05:17
Minutes = Annotated[int, Field(ge=-10_000, le=10_000)]
Airport = Annotated[str, Field(min_length=3, max_length=3)]
Short = Annotated[str, Field(min_length=1, max_length=20)]


class Flight(BaseModel):
    """A row; a flight without a departure was cancelled, and that is no error."""

    year: Annotated[int, Field(ge=1900, le=2100)]
    month: Annotated[int, Field(ge=1, le=12)]
    day: Annotated[int, Field(ge=1, le=31)]
    carrier: Short
    flight: Annotated[int, Field(ge=1, le=99_999)]
    origin: Airport
    dest: Airport
    sched_dep_time: Clock
    dep_time: OrMissing[Clock]
    dep_delay: OrMissing[Minutes]
    sched_arr_time: Clock
    arr_time: OrMissing[Clock]
    arr_delay: OrMissing[Minutes]
    tailnum: OrMissing[Short]
    air_time: OrMissing[Minutes]
    distance: Annotated[int, Field(ge=0, le=30_000)]


class Import(BaseModel):
    """A customer's file and how far its rows are, as the store knows it.

    Attributes:
        id: the id of its message, too.
        customer: whose it is; nobody else may see it.
        name: what the customer calls the file.
        uploaded_at: UTC, aware.
        imported: rows that were taken.
        rejected: rows that were not.
        begun_at_row: how many rows were done when its latest attempt began; None: none has.
        finished_at: when nothing more was to be read; None: not yet.
        problem: why not all of the file was read, for the customer; None: it was.
    """

    id: str
    customer: str
    name: str
    uploaded_at: datetime
    imported: int
    rejected: int
    begun_at_row: int | None
    finished_at: datetime | None
    problem: str | None

    @property
    def rows(self) -> int:
        """Rows done."""
        return self.imported + self.rejected
