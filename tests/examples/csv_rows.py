"""Files of flights, made by hand."""

from __future__ import annotations

HEADER = (
    b"year,month,day,dep_time,sched_dep_time,dep_delay,arr_time,sched_arr_time,arr_delay,carrier,flight,tailnum,"
    b"origin,dest,air_time,distance,hour,minute,time_hour\n"
)


def row(flight: int = 1, *, departed: bytes = b"517", tail: bytes = b"N14228") -> bytes:
    return (
        b"2013,1,1,%b,515,2,830,819,11,UA,%d,%b,EWR,IAH,227,1400,5,15,2013-01-01T10:00:00Z\n"
        % (departed, flight, tail)
    )  # fmt: skip


def rows(count: int) -> bytes:
    return b"".join(map(row, range(1, count + 1)))
