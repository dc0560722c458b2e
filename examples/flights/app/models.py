"""A row of a customer's file, and what the app says of an import."""

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


class ImportStatus(BaseModel):
    """How far an import is: `done` and `total` are bytes of the file."""

    id: str
    state: str
    done: float
    total: float | None
    imported: int
    rejected: int


class RejectedRow(BaseModel):
    """A row that was not imported: where it stands in the file, why, and how it reads."""

    line: int
    reason: str
    raw: str
