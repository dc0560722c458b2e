"""The pace of the daily sums, and what happens to them where the state store is away."""

from __future__ import annotations

from tests.aws.faults import fail
from tests.aws.places import Place, TurnedClock
from tests.aws.proxy import Proxy
from tests.clock import FakeClock
from tests.contract.house import House
from twolane.backends.sqs.here import StateHere
from twolane.backends.sqs.sums import EVERY_S, Sums
from twolane.contracts.queue import AckDelivery, Outgoing, Send
from twolane.values.record import DAY_S, DailySum


def today(clock: FakeClock) -> int:
    return int(clock.now() // DAY_S)


def test_the_first_is_written_at_once_and_the_next_when_it_is_time() -> None:
    clock, state = FakeClock(), StateHere()
    sums = Sums(state, clock)
    sums.note_dead("t")
    sums.write()
    sums.note_dead("t")
    clock.advance(EVERY_S - 1)
    sums.write()
    assert sums.since(0) == [DailySum("t", today(clock), dead=1)]
    clock.advance(1)
    sums.write()
    assert sums.since(0) == [DailySum("t", today(clock), dead=2)]


def test_nothing_is_written_where_nothing_was_done(place: Place, clock: TurnedClock) -> None:
    state = place.state()
    sums = Sums(state, clock)
    sums.write(at_once=True)
    sums.note_attempt("t", done=True, run_s=-1.0)  # a clock that was put back

    assert sums.since(0) == []
    sums.write(at_once=True)
    assert sums.since(0) == [DailySum("t", today(clock), done=1)]
    state.close()


def test_a_day_is_forgotten_by_the_table(place: Place, clock: TurnedClock) -> None:
    state = place.state()
    sums = Sums(state, clock)
    sums.note_dead("t")
    sums.write()
    key = {"pk": {"S": f"sums/{today(clock)}"}}
    [item] = place.dynamodb.client.batch_get_item(RequestItems={place.name: {"Keys": [key]}})["Responses"][
        place.name
    ]
    assert int(item["ttl"]["N"]) == (today(clock) + 401) * DAY_S
    state.close()


def test_a_task_may_have_any_name_and_there_may_be_many(place: Place, clock: TurnedClock) -> None:
    state = place.state()
    sums = Sums(state, clock)
    names = sorted([*(f"app:task_{number}" for number in range(200)), "a:b:c", "ttl", "#0 :0"])
    for name in names:
        sums.note_attempt(name, done=False, run_s=1.5)
    sums.write()

    assert sums.since(0) == [DailySum(name, today(clock), failed=1, run_s=1.5) for name in names]
    state.close()


def test_sums_that_cannot_be_written_cost_no_message_and_are_written_later(
    house: House, between: Proxy
) -> None:
    between.faults["UpdateItem"] = fail(400, "AccessDeniedException")
    message_id = house.send()
    house.do(AckDelivery(house.take().receipt))
    assert house.record(message_id).state == "done"
    assert house.records.daily_sums(0) == []

    between.faults.clear()
    [[sent]] = house.try_all(Send((house.outgoing(),)))
    assert not sent.duplicate
    assert [(each.sent, each.done) for each in house.records.daily_sums(0)] == [(2, 1)]


def test_what_is_gathered_is_written_when_the_process_ends(place: Place, clock: TurnedClock) -> None:
    queue, records = place.queue(clock, poll_s=0), place.records(clock)
    for number in range(3):
        [[sent]] = queue.flush([Send((Outgoing(f"m{number}", "default", "t", "{}", "d", clock.now()),))])
        assert not sent.duplicate
    assert [each.sent for each in records.daily_sums(0)] == [1]
    queue.close()
    assert [each.sent for each in records.daily_sums(0)] == [3]
    records.close()
