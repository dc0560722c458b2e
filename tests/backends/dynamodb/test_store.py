"""The state store: items are compared and swapped, alone or together, many at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.aws.faults import Fault, change, cut, drop_after, fail
from tests.aws.places import Place
from tests.aws.proxy import Proxy, proxy
from tests.aws.servers import Server
from twolane.backends.dynamodb import DynamoState
from twolane.contracts.state import Change, Conflict, Item
from twolane.values.errors import QueueError


@pytest.fixture
def between(aws: Server) -> Iterator[Proxy]:
    with proxy(aws) as made:
        yield made


@pytest.fixture
def state(aws: Server, between: Proxy) -> Iterator[DynamoState]:
    place = Place(aws, through=between.server)
    made = place.state()
    yield made
    between.faults.clear()
    made.close()
    place.close()


def new(key: str, text: str = "one", **fields: object) -> Change:
    return Change(key, None, Item(key, 1, text, **fields))  # type: ignore[arg-type]


def test_an_item_is_made_changed_and_taken_away(state: DynamoState) -> None:
    first = Item("a", 1, "one", "waiting", 1800000000.25, "head", 1900000000.0)
    assert state.write([[Change("a", None, first)]]) == [None]
    assert state.read(["a", "b"]) == {"a": first}

    second = Item("a", 2, "two")
    assert state.write([[Change("a", first, second)]]) == [None]
    assert state.read(["a"]) == {"a": second}
    assert state.shelf("waiting") == []

    assert state.write([[Change("a", second, None)]]) == [None]
    assert state.read(["a"]) == {}


def test_whoever_is_slower_hears_what_is_there_now(state: DynamoState) -> None:
    first, second = Item("a", 1, "one"), Item("a", 2, "two")
    state.write([[Change("a", None, first)]])
    state.write([[Change("a", first, second)]])

    assert state.write([[Change("a", first, Item("a", 2, "other"))]]) == [Conflict({"a": second})]
    assert state.write([[new("a")]]) == [Conflict({"a": second})]
    assert state.read(["a"]) == {"a": second}


def test_changes_that_belong_together_are_made_together_or_not_at_all(state: DynamoState) -> None:
    state.write([[new("b")]])

    assert state.write([[new("a"), new("b", "other")]]) == [Conflict({"a": None, "b": Item("b", 1, "one")})]
    assert "a" not in state.read(["a"])
    assert state.write([[new("a"), new("c")]]) == [None]
    assert set(state.read(["a", "c"])) == {"a", "c"}


def test_each_of_many_has_its_own_answer(state: DynamoState, between: Proxy) -> None:
    state.write([[new("n30", "before")]])
    calls = between.count("BatchExecuteStatement")

    answers = state.write([[new(f"n{number}")] for number in range(60)])

    assert [number for number, answer in enumerate(answers) if answer is not None] == [30]
    assert between.count("BatchExecuteStatement") == calls + 3
    assert len(state.read([f"n{number}" for number in range(120)])) == 60


def test_what_is_throttled_alone_is_tried_again(state: DynamoState, between: Proxy) -> None:
    left = [1]

    def throttle(answer: dict[str, list[object]]) -> None:
        if left[0]:
            left[0] -= 1
            answer["Responses"][1] = {"Error": {"Code": "ThrottlingError", "Message": "slow down"}}

    between.faults["BatchExecuteStatement"] = change(throttle)

    assert state.write([[new("a")], [new("b")]]) == [None, None]


def test_a_read_that_brings_some_of_it_goes_on(state: DynamoState, between: Proxy) -> None:
    state.write([[new("a")], [new("b")]])
    left = [1]

    def leave_one_out(answer: dict[str, dict[str, list[dict[str, object]]]]) -> None:
        if left[0]:
            left[0] -= 1
            gone = answer["Responses"][state.table].pop()
            answer["UnprocessedKeys"] = {state.table: {"Keys": [{"pk": gone["pk"]}]}}

    between.faults["BatchGetItem"] = change(leave_one_out)

    assert set(state.read(["a", "b"])) == {"a", "b"}


@pytest.mark.parametrize("fault", [cut, change(dict.clear)], ids=["cut", "empty"])
@pytest.mark.parametrize(
    ("operation", "look"),
    [
        ("BatchGetItem", lambda state: state.read(["a"])),
        ("Query", lambda state: state.shelf("s")),
        ("Scan", lambda state: state.scan("")),
    ],
    ids=["read", "shelf", "scan"],
)
def test_an_answer_that_is_cut_short_is_an_error_and_does_not_say_that_nothing_is_there(
    state: DynamoState, between: Proxy, operation: str, look: Callable[[DynamoState], object], fault: Fault
) -> None:
    state.write([[new("a", shelf="s", place=1.0)]])
    between.faults[operation] = fault

    with pytest.raises(
        QueueError, match=f"reading table {state.table} failed: DynamoDB's answer was cut short"
    ):
        look(state)

    between.faults.clear()
    assert look(state)


def test_a_conflict_that_cannot_be_looked_at_is_the_answer_of_its_own_changes_alone(
    state: DynamoState, between: Proxy
) -> None:
    state.write([[new("b")]])
    between.faults["BatchGetItem"] = cut

    made, unknown = state.write([[new("a")], [new("c"), new("b", "other")]])

    assert made is None
    assert isinstance(unknown, QueueError)
    between.faults.clear()
    assert set(state.read(["a", "b", "c"])) == {"a", "b"}


def test_an_answer_that_was_lost_is_found_to_be_ours(state: DynamoState, between: Proxy) -> None:
    left = [1]

    def lose_once(exchange: object) -> None:
        if left[0]:
            left[0] -= 1
            drop_after(exchange)  # type: ignore[arg-type]

    between.faults["BatchExecuteStatement"] = lose_once
    assert state.write([[new("a")]]) == [None]
    left[0] = 1
    between.faults["ExecuteTransaction"] = lose_once
    assert state.write([[new("b"), new("c")]]) == [None]


def test_a_store_that_is_away_says_what_to_do(state: DynamoState, between: Proxy) -> None:
    between.faults["BatchExecuteStatement"] = fail(400, "ResourceNotFoundException")

    [answer] = state.write([[new("a")]])

    assert isinstance(answer, QueueError)
    assert "there is no such table" in str(answer)


def test_a_shelf_is_in_the_order_of_its_places(state: DynamoState) -> None:
    state.write([[new(f"n{place}", shelf="s", place=float(place), head=f"h{place}")] for place in (3, 1, 2)])
    state.write([[new("other", shelf="t", place=0.0)]])

    assert [each.key for each in state.shelf("s")] == ["n1", "n2", "n3"]
    assert [each.head for each in state.shelf("s", newest_first=True, limit=2)] == ["h3", "h2"]
    assert [each.place for each in state.shelf("s", until=2.0)] == [1.0, 2.0]


def test_counters_count_from_nothing(state: DynamoState) -> None:
    state.add("count", {"done:default": 2, "told:": 1})
    state.add("count", {"done:default": 3})

    state.add("rates", {"1:done:t": 1}, expires_at=5.0)
    assert state.counters(["count", "none", "rates"]) == {
        "count": {"done:default": 5, "told:": 1},
        "rates": {"1:done:t": 1},
    }


def test_a_scan_finds_what_begins_so(state: DynamoState) -> None:
    state.write([[new("message/a")], [new("message/b")], [new("alert/1")]])

    assert sorted(item.key for item in state.scan("message/")) == ["message/a", "message/b"]
