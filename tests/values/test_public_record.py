from __future__ import annotations

from dataclasses import fields
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

import twolane
from twolane.values.public_record import published, utc
from twolane.values.record import Record, State

KEPT = Record(
    id="1", task="load", queue="default", state=State.RUNNING, attempt=2, deliveries=3, sent_at=0.0,
    visible_at=1_800_000_000.5, started_at=1.0, cursor={"row": 1}, progressed_at=2.0, unique_key="k",
)  # fmt: skip


def test_times_are_aware_datetimes_and_the_rest_is_as_it_was() -> None:
    record = published(KEPT)

    assert type(record) is twolane.Record
    assert record.sent_at == datetime(1970, 1, 1, tzinfo=UTC)
    assert record.visible_at == datetime(2027, 1, 15, 8, 0, 0, 500_000, UTC)
    assert record.finished_at is None
    for field in fields(record):
        if not field.name.endswith("_at"):
            assert getattr(record, field.name) == getattr(KEPT, field.name)
    times = [field.name for field in fields(record) if field.name.endswith("_at")]
    assert all(isinstance(getattr(record, name), datetime | None) for name in times)


def test_every_field_is_documented() -> None:
    told = twolane.Record.__doc__ or ""
    assert [name for field in fields(twolane.Record) if f"        {(name := field.name)}: " not in told] == []


@given(st.floats(allow_nan=False))
def test_any_time_of_a_row_put_in_by_hand_is_a_datetime(epoch_s: float) -> None:
    moment = utc(epoch_s)
    assert moment is not None
    assert moment.tzinfo is UTC


@pytest.mark.parametrize(("epoch_s", "year"), [(1e300, 9999), (float("inf"), 9999), (-1e300, 1)])
def test_a_time_that_no_calendar_has_is_the_nearest(epoch_s: float, year: int) -> None:
    moment = utc(epoch_s)
    assert moment is not None
    assert moment.year == year
