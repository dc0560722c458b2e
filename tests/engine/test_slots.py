from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from twolane.engine.slots import Slots


def test_a_receive_reserves_what_is_free() -> None:
    slots = Slots(3)
    assert slots.reserve() == (3, True)
    slots.received(3, used=1)
    assert slots.reserve() == (2, False)


def test_one_receive_at_a_time() -> None:
    slots = Slots(3)
    slots.reserve(1)
    assert slots.receiving
    assert slots.reserve() == (0, False)
    slots.received(1, used=0)
    assert not slots.receiving


def test_reserves_no_more_than_it_is_asked_for() -> None:
    slots = Slots(3)
    assert slots.reserve(2) == (2, True)
    slots.received(2, used=2)
    assert slots.reserve(5) == (1, False)


def test_none_to_reserve_is_no_receive() -> None:
    slots = Slots(1)
    assert slots.reserve(0) == (0, False)
    slots.reserve()
    slots.received(1, used=1)
    assert slots.reserve() == (0, False)
    assert not slots.receiving


def test_is_idle_while_nothing_runs_and_nothing_is_received() -> None:
    slots = Slots(2)
    assert slots.idle
    slots.reserve()
    assert not slots.idle
    slots.received(2, used=1)
    assert not slots.idle
    slots.free_one()
    assert slots.idle


class Machine(RuleBasedStateMachine):
    """Never more run than there are slots, whatever comes when."""

    SIZE = 4

    def __init__(self) -> None:
        super().__init__()
        self.slots = Slots(self.SIZE)
        self.running = 0
        self.reserved: int | None = None

    @rule(most=st.none() | st.integers(0, 6))
    def reserve(self, most: int | None) -> None:
        reserved, idle = self.slots.reserve(most)
        if reserved:
            assert self.reserved is None
            assert idle == (self.running == 0)
            self.reserved = reserved

    @precondition(lambda self: self.reserved is not None)
    @rule(data=st.data())
    def receive(self, data: st.DataObject) -> None:
        assert self.reserved is not None
        used = data.draw(st.integers(0, self.reserved))
        self.slots.received(self.reserved, used)
        self.running += used
        self.reserved = None

    @precondition(lambda self: self.running > 0)
    @rule()
    def free(self) -> None:
        self.slots.free_one()
        self.running -= 1

    @invariant()
    def no_more_than_there_are(self) -> None:
        assert self.running + (self.reserved or 0) <= self.SIZE
        assert self.slots.receiving == (self.reserved is not None)
        assert self.slots.idle == (self.running + (self.reserved or 0) == 0)


TestSlots = Machine.TestCase
