"""Numbers without gaps: after a kill, in a flood, where others take numbers too, and where the index lags behind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from tests.aws.places import Place
from tests.aws.servers import Server
from tests.clock import FakeClock
from twolane.backends.sqs.alerts import Alert, owing
from twolane.backends.sqs.here import StateHere
from twolane.backends.sqs.outbox import BATCH, LATE_S, Outbox
from twolane.backends.sqs.targets import Targets
from twolane.contracts.outbox import OweNotice, RegisterTargets, SaveTarget
from twolane.contracts.state import Change, Conflict, Item, Shelved, StateStore
from twolane.contracts.upkeep import Prune
from twolane.values.errors import QueueError
from twolane.values.telling import Owed, TargetState


class State(StateHere):
    """One whose index lags, or in which others are quicker."""

    def __init__(self) -> None:
        super().__init__()
        self.lags = False
        self.quicker: list[Change] = []

    def shelf(self, name: str, **options: Any) -> list[Shelved]:
        found = super().shelf(name, **options)
        return found[:1] if self.lags else found

    def write(self, groups: Sequence[Sequence[Change]]) -> list[Conflict | Exception | None]:
        if self.quicker:
            assert super().write([[self.quicker.pop()]]) == [None]
        return super().write(groups)


@pytest.fixture
def state() -> State:
    return State()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def outbox(state: State, clock: FakeClock) -> Outbox:
    return Outbox(state, clock)


def owe(state: StateStore, clock: FakeClock, name: str, count: int) -> Item:
    """As a death does in its transaction."""
    change = owing(name, [Alert(clock.now(), name, f"{name} {number}") for number in range(count)])
    assert state.write([[change]]) == [None]
    assert change.after is not None
    return change.after


def titles(owed: Owed) -> list[str]:
    return [alert.notice.title for alert in owed.first if alert.notice is not None]


def owed(outbox: Outbox, after: int = 0) -> Owed:
    return outbox.owed(after, 1000, lambda died: [row.letter() for row in died])


def test_what_a_kill_left_without_a_number_gets_one_when_somebody_looks(
    outbox: Outbox, state: State, clock: FakeClock
) -> None:
    owe(state, clock, "a", 2)
    outbox.number_late()
    assert owed(outbox).total == 0, "who owes it is about to number it"
    clock.advance(LATE_S)

    outbox.number_late()
    outbox.number_late()

    assert titles(owed(outbox)) == ["a 0", "a 1"]


def test_a_flood_has_each_number_once(outbox: Outbox, state: State, clock: FakeClock) -> None:
    items = [owe(state, clock, f"{number:03}", 3) for number in range(BATCH)]
    large = owe(state, clock, "large", 2 * BATCH + 1)

    outbox.number([*items, large])

    found = owed(outbox)
    assert found.total == found.up_to == 3 * BATCH + 2 * BATCH + 1
    assert [alert.number for alert in found.first] == list(range(1, found.up_to + 1))
    assert len(set(titles(found))) == found.total


def test_two_that_number_the_same_number_it_once(outbox: Outbox, state: State, clock: FakeClock) -> None:
    item = owe(state, clock, "a", 1)
    outbox.number([item])

    outbox.number([item])

    assert owed(outbox).total == 1


def test_two_that_number_the_same_in_dynamodb_number_it_once(aws: Server, clock: FakeClock) -> None:
    """There it is no error to delete what is gone already."""
    place = Place(aws)
    state = place.state()
    item = owe(state, clock, "a", 1)
    for _ in range(2):
        Outbox(state, clock).number([item])

    assert owed(Outbox(state, clock)).up_to == 1

    state.close()
    place.close()


def test_who_is_overtaken_takes_the_next_numbers(outbox: Outbox, state: State, clock: FakeClock) -> None:
    assert outbox.owe_notice(OweNotice("n", "first", "")) == 1
    item = owe(state, clock, "a", 1)
    numbers = state.read(["outbox/numbers"])["outbox/numbers"]
    state.quicker = [Change(numbers.key, numbers, Item(numbers.key, 2, "[7, 0]"))]

    outbox.number([item])

    assert [alert.number for alert in owed(outbox).first] == [1, 8]


def test_one_that_is_overtaken_all_the_time_says_so(
    outbox: Outbox, state: State, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = owe(state, clock, "a", 1)
    monkeypatch.setattr(state, "write", lambda groups: [Conflict({item.key: item})])

    with pytest.raises(QueueError, match="get their numbers later"):
        outbox.number([item])


def test_an_index_that_lags_hides_nothing(outbox: Outbox, state: State, clock: FakeClock) -> None:
    """Who is told up to a number would never hear of what the index did not list then."""
    outbox.number([owe(state, clock, "a", 5)])
    state.lags = True

    found = owed(outbox, after=1)

    assert (found.total, found.up_to, len(found.first)) == (4, 5, 4)


def test_what_a_kill_left_of_a_pruning_is_told_nobody_and_goes_with_the_next(
    outbox: Outbox, state: State, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox.number([owe(state, clock, "a", 3)])
    targets = Targets(state, clock)
    targets.register(RegisterTargets((("t", "T"),)))
    targets.save(SaveTarget("t", 0, TargetState(told_to=2)))
    with monkeypatch.context() as killed:
        real = state.write
        killed.setattr(
            state,
            "write",
            lambda groups: real(groups) if groups[0][0].after else [OSError("killed")] * len(groups),
        )
        with pytest.raises(OSError, match="killed"):
            outbox.prune(Prune(keep_s=0))
    assert owed(outbox).total == 1
    assert len(state.scan("alert/")) == 3

    outbox.prune(Prune(keep_s=0))

    assert [item.key for item in state.scan("alert/")] == ["alert/3"]
    assert [alert.number for alert in owed(outbox).first] == [3]
