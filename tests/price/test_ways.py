"""The ways to run the work: their laws, their terms, where they cross."""

from __future__ import annotations

import itertools
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twolane.price import figures, load, units
from twolane.price.crossing import all_crossings, crossings, far
from twolane.price.meters import Meter, Quantity, Way
from twolane.price.services import chunks, fargate_size
from twolane.price.ways import ways

US_EAST = figures.Figures(figures.shipped(), "us-east-1")
amounts = st.fractions(min_value=0, max_value=10**7, max_denominator=1000)
loads = st.builds(
    load.Load,
    st.just("t"),
    per_month=st.fractions(min_value=1, max_value=10**9, max_denominator=100),
    duration_s=st.fractions(min_value=0, max_value=4000, max_denominator=1000),
    payload_bytes=st.integers(0, 200 * 2**20).map(Fraction),
    retries=st.fractions(min_value=0, max_value=Fraction(99, 100), max_denominator=100),
)


@st.composite
def workloads(draw: st.DrawFn) -> load.Workload:
    return load.workload(
        draw(st.lists(loads, min_size=1, max_size=3)),
        memory_bytes=Fraction(draw(st.sampled_from([1, 100, 512, 1769, 5000, 10240, 30000])) * 2**20),
        burst=draw(st.sampled_from([1, 2, 9, 10, 500])),
        deploys=Fraction(draw(st.integers(0, 100))),
    )


def priced(work: load.Workload, *, free: bool = True, figures_: figures.Figures = US_EAST) -> dict[str, Way]:
    return {way.key: way for way in ways(work, figures_, free=free)[0]}


def simple(text: str, **options: Any) -> load.Workload:
    return load.workload([load.read_load(text)], **{"memory_bytes": Fraction(512 * 2**20), **options})


@given(workloads(), st.booleans(), amounts, amounts)
@settings(deadline=None, max_examples=40)
def test_more_tasks_never_cost_less_and_nothing_is_negative(
    work: load.Workload, free: bool, some: Fraction, others: Fraction
) -> None:
    few, many = sorted((some, others))
    for way in priced(work, free=free).values():
        assert 0 <= way.cost(few) <= way.cost(many), way.key
        assert sum(line.usd for line in way.lines(many)) == way.cost(many), way.key


@given(workloads(), st.booleans(), amounts)
@settings(deadline=None, max_examples=40)
def test_a_batch_of_ten_is_never_dearer_than_one(work: load.Workload, free: bool, tasks: Fraction) -> None:
    found = priced(work, free=free)
    for machine in ("arm", "x86"):
        if f"lambda-{machine}" in found:
            assert found[f"lambda-{machine}"].cost(tasks) <= found[f"lambda-{machine}-single"].cost(tasks)


@given(workloads(), amounts)
@settings(deadline=None, max_examples=40)
def test_what_is_free_is_never_dearer(work: load.Workload, tasks: Fraction) -> None:
    taken, not_taken = priced(work), priced(work, free=False)
    assert all(taken[key].cost(tasks) <= not_taken[key].cost(tasks) for key in taken)


@given(workloads(), st.fractions(min_value=0, max_value=10**6, max_denominator=100))
@settings(deadline=None, max_examples=40)
def test_between_its_bends_a_bill_is_a_straight_line(work: load.Workload, low: Fraction) -> None:
    high = low + 1000
    for way in priced(work).values():
        if way.tasks_a_worker is not None and 1000 / way.tasks_a_worker > 50:
            continue
        points = sorted({low, high} | way.bends(low, high))
        for start, end in itertools.pairwise(points):
            base, slope = way.piece(start)
            assert base + slope * end == way.cost(end), way.key
            assert base + slope * (start + end) / 2 == way.cost((start + end) / 2), way.key


@given(workloads())
@settings(deadline=None, max_examples=15)
def test_at_a_crossing_the_cheaper_way_changes(work: load.Workload) -> None:
    found = priced(work)
    compared = [way for way in found.values() if not way.key.endswith("-single")]
    tiny = Fraction(1, 10**6)
    for each in all_crossings(compared, Fraction(1), far(compared, work.per_month))[:20]:
        cheaper, dearer = found[each.cheaper], found[each.dearer]
        assert cheaper.cost(each.tasks - tiny) >= dearer.cost(each.tasks - tiny)
        assert cheaper.cost(each.tasks + tiny) <= dearer.cost(each.tasks + tiny)


def line(key: str, fixed: str, slope: str, *, free: str = "0", step: Fraction | None = None) -> Way:
    meter = Meter(
        "m",
        "u",
        Fraction(1),
        (("p", Quantity(Fraction(fixed), Fraction(slope), Fraction(step is not None))),),
        Fraction(free),
    )
    return Way(key, key, (meter,), step)


def test_two_lines_cross_at_the_fraction_they_do() -> None:
    [found] = crossings(line("a", "0", "3"), line("b", "10", "0"), Fraction(0), Fraction(100))
    assert (found.tasks, found.cheaper, found.dearer, found.for_good) == (Fraction(10, 3), "b", "a", True)


def test_a_free_allowance_bends_a_line() -> None:
    [found] = crossings(line("a", "0", "1", free="100"), line("b", "7", "0"), Fraction(0), Fraction(1000))
    assert (found.tasks, found.cheaper) == (Fraction(107), "b")


def test_a_staircase_is_crossed_at_its_steps_too() -> None:
    stairs, ramp = line("stairs", "0", "0", step=Fraction(10)), line("ramp", "0", "1/10")
    steep = line("steep", "0", "3/20")
    assert (
        crossings(stairs, ramp, Fraction(0), Fraction(95)) == []
    )  # they touch at the edge of each step and never cross
    found = crossings(stairs, steep, Fraction(0), Fraction(40))
    assert [(each.tasks, each.cheaper, each.for_good) for each in found] == [
        (Fraction(20, 3), "stairs", False),
        (Fraction(10), "steep", False),
        (Fraction(40, 3), "stairs", True),
    ]


def test_equal_lines_do_not_cross() -> None:
    assert crossings(line("a", "1", "1"), line("b", "1", "1"), Fraction(0), Fraction(100)) == []


def test_a_payload_over_a_chunk_is_two_requests() -> None:
    assert [chunks(1, Fraction(size), Fraction(65_536)) for size in (1, 65_536, 65_537, 262_144)] == [
        1,
        1,
        2,
        4,
    ]
    assert chunks(10, Fraction(7_000), Fraction(65_536)) == 2


def parts(way: Way, meter: str, unit: str, tasks: int = 1_000_000) -> dict[str, float]:
    return {
        each.name: float(each.amount)
        for each in way.lines(Fraction(tasks))
        if (each.meter, each.unit) == (meter, unit)
    }


def test_the_requests_of_a_task_that_arrives_alone() -> None:
    found = parts(priced(simple("t 1/day 1s 1KB"), free=False)["lambda-arm"], "SQS", "requests")
    assert found == {
        "sends": 1_000_000,
        "receives": 1_000_000,
        "idle polling": 5 * 730 * 3600 / 20,
        "deletes": 1_000_000,
        "dead-letter queue": 8_760,
    }


def test_ten_that_arrive_together_share_their_calls() -> None:
    way = priced(simple("t 1/day 1s 1KB", burst=10), free=False)["lambda-arm"]
    found = parts(way, "SQS", "requests")
    assert (found["sends"], found["receives"], found["deletes"]) == (100_000, 100_000, 100_000)
    assert parts(way, "Lambda", "requests")["invocations"] == 100_000
    large = priced(simple("t 1/day 1s 100KB", burst=10), free=False)["lambda-arm"]
    assert parts(large, "SQS", "requests")["sends"] == pytest.approx(1_600_000)


def test_a_long_task_is_taken_alone_and_has_heartbeats() -> None:
    way = priced(simple("t 1/day 65s 1KB", burst=10), free=False)["lambda-arm"]
    found = parts(way, "SQS", "requests")
    assert (found["sends"], found["deletes"], found["heartbeats"]) == (100_000, 1_000_000, 3_000_000)
    worker = priced(simple("t 1/day 65s 1KB", burst=10), free=False)["fargate"]
    assert parts(worker, "SQS", "requests")["heartbeats"] == 300_000


def test_retries_and_dead_letters() -> None:
    way = priced(simple("t 1/day 1s 1KB 50%"), free=False)["lambda-arm"]
    tried = 1 + 0.5 + 0.25 + 0.125 + 0.0625
    found = parts(way, "SQS", "requests")
    assert found["retries"] == pytest.approx((tried - 1) * 2 * 1e6)
    assert found["dead-letter queue"] == pytest.approx(8_760 + 0.5**5 * 3 * 1e6)
    assert parts(way, "Lambda", "requests")["for retries"] == pytest.approx((tried - 1) * 1e6)


def test_large_payloads_go_to_s3() -> None:
    way = priced(simple("t 1/day 1s 10MB"), free=False)["lambda-arm"]
    assert parts(way, "S3", "PUT requests", 100) == {"large payloads": 400}  # begun, two parts, completed
    assert parts(way, "S3", "GET requests", 100) == {"large payloads": 100}
    assert parts(way, "S3", "GB-months", 1024)["large payloads, 7 days"] == pytest.approx(10 * 168 / 730)
    assert parts(way, "SQS", "requests", 100)["sends"] == 100
    assert not any(each.name == "S3" for each in priced(simple("t 1/day 1s 200KB"))["lambda-arm"].meters)


def test_a_record_is_written_at_each_change() -> None:
    way = priced(simple("t 1/day 1s 100B"), free=False)["lambda-arm"]
    assert parts(way, "DynamoDB", "write units", 1) == {"records": 3 + 4 + 3}
    assert parts(way, "DynamoDB", "read units", 1) == {"records": 1}
    apart = priced(simple("t 1/day 1s 10KB"), free=False)["lambda-arm"]
    assert parts(apart, "DynamoDB", "write units", 1) == {"records": 2 + 3 + 2 + 11}  # its body lies apart


def test_workers_are_added_as_they_fill() -> None:
    slow = priced(simple("t 1/day 100s 1KB", memory_bytes=Fraction(2**20)))["fargate"]
    assert slow.tasks_a_worker == Fraction(7, 10) * 10 * units.MONTH_S / 100
    assert [slow.workers(Fraction(tasks)) for tasks in (0, 1, 183_960, 183_961)] == [1, 1, 1, 2]
    busy = priced(simple("t 1/day 1s 1KB", memory_bytes=Fraction(1769 * 2**20)))["fargate"]
    assert busy.tasks_a_worker == Fraction(7, 10) * units.MONTH_S * Fraction(
        1, 4
    )  # a whole vCPU each, and the worker has a quarter


def test_the_smallest_fargate_worker_with_enough_memory() -> None:
    sizes = [fargate_size(Fraction(mb * 2**20)) for mb in (1, 512, 513, 2049, 20_000, 122_880)]
    assert [(float(vcpu), float(memory / 2**30)) for vcpu, memory in sizes] == [
        (0.25, 0.5), (0.25, 0.5), (0.25, 1), (0.5, 3), (4, 20), (16, 120),
    ]  # fmt: skip


def test_a_function_cannot_have_that_much_memory() -> None:
    found, missing = ways(simple("t 1/day", memory_bytes=Fraction(11 * 2**30)), US_EAST)
    assert "lambda-arm" not in {way.key for way in found}
    assert (
        "SQS + Lambda (arm), calls of ten is not priced: a Lambda function has at most 10,240 MB of memory"
        in missing
    )


def test_a_region_without_a_figure_leaves_out_what_needs_it() -> None:
    ireland = figures.Figures(figures.shipped(), "eu-west-1")
    found, missing = ways(simple("t 1/day"), ireland)
    assert {"background", "sqlite", "lambda-arm", "fargate"} <= {way.key for way in found}
    assert any(
        "RDS for Postgres + a worker is not priced: no figure rds.instance" in each for each in missing
    )
    sqlite = next(way for way in found if way.key == "sqlite")
    assert any("disk is left out" in note for note in sqlite.notes)


def test_a_task_longer_than_a_function_may_run_goes_on_in_another() -> None:
    way = priced(simple("t 1/day 1000s 1KB"), free=False)["lambda-arm"]
    assert parts(way, "Lambda", "requests", 1)["invocations"] == 2
    assert any("continued in another run: t" in note for note in way.notes)


def test_a_task_of_no_time_at_all() -> None:
    assert all(way.cost(Fraction(1000)) >= 0 for way in priced(simple("t 1/day 0s 0B")).values())
