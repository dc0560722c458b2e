"""Once when it begins, once a day while it lasts, once when it ends: on any clock."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from twolane.engine.watch import CLEAR_S, DAY_S, GAP_S, look
from twolane.values.condition import Phase, Standing, WatchState
from twolane.values.snapshot import Snapshot
from twolane.values.telling import Notice
from twolane.values.thresholds import Thresholds

NOW = 1_800_000_000.0
ROUND_S = 5.0
FINE = Snapshot()
OLD = Snapshot(dead=1, dead_since=0.0)
"""A dead letter waits: seen for 30 s before it is told."""
PLACE = Snapshot(place="it lies in memory")
"""Told at once."""


class Watcher:
    """Looks again and again, and keeps what was told."""

    def __init__(self, now: float = NOW) -> None:
        self.now = now
        self.state = WatchState()
        self.told: list[Notice] = []

    def look(self, snapshot: Snapshot, after_s: float = ROUND_S) -> list[str]:
        self.now += after_s
        looked = look(replace(snapshot, state=self.state), self.now, Thresholds())
        self.state = looked.state
        self.told += looked.notices
        return [_what(each) for each in looked.notices]

    def look_for(self, seconds: float, snapshot: Snapshot, every_s: float = ROUND_S) -> list[str]:
        return [told for _ in range(round(seconds / every_s)) for told in self.look(snapshot, every_s)]

    def standing(self, name: str = "dead_letters") -> Standing:
        [found] = [each for each in self.state.standings if each.name == name]
        return found


def _what(notice: Notice) -> str:
    """begins, still or over."""
    return {"still": "still", "over": "over"}.get(notice.title.partition(":")[0], "begins")


def test_one_that_lasts_is_told_once_and_then_once_a_day() -> None:
    watcher = Watcher()
    assert watcher.look_for(30, OLD) == []
    assert watcher.look(OLD) == ["begins"]
    assert watcher.look_for(DAY_S - 60, OLD, 60.0) == []
    assert watcher.look_for(2 * DAY_S, OLD, 60.0) == ["still", "still"]


def test_one_bad_look_tells_nobody() -> None:
    watcher = Watcher()
    watcher.look(OLD)
    assert watcher.look_for(3600, FINE) == []
    assert watcher.state.standings == ()


def test_one_that_ends_is_told_once_and_forgotten_after_a_day() -> None:
    watcher = Watcher()
    watcher.look_for(60, OLD)
    assert watcher.look_for(CLEAR_S, FINE) == []
    assert watcher.look(FINE) == ["over"]
    assert watcher.standing().phase is Phase.ENDED
    assert watcher.look_for(DAY_S - 60, FINE, 60.0) == []
    assert watcher.look_for(120, FINE, 60.0) == []
    assert watcher.state.standings == ()


def test_what_is_told_names_it_and_says_since_when() -> None:
    watcher = Watcher()
    watcher.look_for(60, OLD)
    watcher.look_for(DAY_S, OLD, 300.0)
    watcher.look_for(2 * CLEAR_S, FINE)
    begins, still, over = watcher.told
    assert {each.key for each in watcher.told} == {"watch:dead_letters"}
    assert begins.title.startswith("1 dead letter waits for a human")
    assert still.title.startswith("still: 1 dead letter")
    assert "since 2027-01-15 08:00:05 UTC" in still.body
    assert over.title.startswith("over: 1 dead letter")
    assert "It began at 2027-01-15 08:00:05 UTC and lasted 1.0 d." in over.body


def test_the_place_is_told_at_the_first_look() -> None:
    assert Watcher().look(PLACE) == ["begins"]


def test_a_short_pause_is_no_end() -> None:
    watcher = Watcher()
    watcher.look_for(60, OLD)
    for _ in range(20):
        assert watcher.look_for(CLEAR_S - 60, FINE) == []
        assert watcher.look(OLD) == []


def test_one_that_comes_and_goes_is_told_less_and_less_often() -> None:
    watcher = Watcher()
    ends_after_s = []
    for _ in range(4):
        assert watcher.look_for(60, OLD) == ["begins"]
        began = watcher.now
        while not watcher.look(FINE):
            pass
        ends_after_s.append(watcher.now - began - ROUND_S)
    assert ends_after_s == [CLEAR_S, 2 * CLEAR_S, 4 * CLEAR_S, 8 * CLEAR_S]


def test_two_conditions_do_not_mix() -> None:
    watcher = Watcher()
    watcher.look_for(60, replace(OLD, place="it lies in memory"))
    watcher.look_for(2 * CLEAR_S, OLD)
    assert [(each.key, _what(each)) for each in watcher.told] == [
        ("watch:place", "begins"),
        ("watch:dead_letters", "begins"),
        ("watch:place", "over"),
    ]


def test_after_a_gap_what_was_pending_begins_anew() -> None:
    """Nobody looked for an hour, as on a laptop that slept: workers get their time to start again."""
    watcher = Watcher()
    watcher.look(OLD)
    assert watcher.look(OLD, GAP_S + 1) == []
    assert watcher.look_for(25, OLD) == []
    assert watcher.look(OLD) == ["begins"]


def test_a_gap_is_no_proof_of_an_end() -> None:
    watcher = Watcher()
    watcher.look_for(60, OLD)
    watcher.look(FINE)
    assert watcher.look(FINE, GAP_S + 1) == []
    assert watcher.look_for(CLEAR_S, FINE) == ["over"]


def test_a_clock_that_jumps_back_neither_repeats_nor_mutes() -> None:
    watcher = Watcher()
    watcher.look_for(60, OLD)
    assert watcher.look(replace(OLD, dead_since=-30 * DAY_S), -10 * DAY_S) == []
    assert watcher.look_for(DAY_S - 60, OLD, 60.0) == []
    assert watcher.look_for(120, OLD, 60.0) == ["still"]
    assert watcher.look_for(CLEAR_S + 60, FINE, 60.0) == ["over"]


def test_a_condition_of_a_newer_twolane_is_left_alone() -> None:
    watcher = Watcher()
    strange = Standing("moon", "full", Phase.HOLDING, NOW - 3 * DAY_S, told_at=NOW - 2 * DAY_S, times=1)
    watcher.state = WatchState(standings=(strange,))
    assert watcher.look_for(3600, FINE) == []
    assert watcher.state.standings == (strange,)


def test_what_lasts_changes_nothing_that_would_have_to_be_written() -> None:
    watcher = Watcher()
    watcher.look_for(60, OLD)
    before = watcher.state
    looked = look(replace(OLD, dead=7, state=before), watcher.now + 5, Thresholds())
    assert (looked.changed(before), looked.gone(before)) == ((), ())


# Whatever happens

looks = st.lists(
    st.tuples(st.booleans(), st.sampled_from([5.0, 5.0, 5.0, 29.0, 60.0, 299.0, 301.0, 700.0, 40_000.0])),
    max_size=300,
)
jumps = st.lists(
    st.tuples(st.booleans(), st.sampled_from([5.0, 60.0, 301.0, 90_000.0, -5.0, -3600.0, -200_000.0])),
    max_size=200,
)


@given(looks=looks | jumps)
def test_what_is_told_of_one_condition_always_makes_sense(looks: list[tuple[bool, float]]) -> None:
    """Begins, then perhaps still, then over, then begins: never twice the same, never over before it began."""
    watcher = Watcher()
    last = "over"
    for is_seen, after_s in looks:
        for told in watcher.look(OLD if is_seen else FINE, after_s):
            assert (told == "begins") == (last == "over")
            last = told
        told_by_now = [each.phase for each in watcher.state.standings]
        assert (Phase.HOLDING in told_by_now) == (last != "over")


@given(looks=looks)
def test_a_flood_of_changes_is_no_flood_of_notices(looks: list[tuple[bool, float]]) -> None:
    watcher = Watcher()
    for is_seen, after_s in looks:
        watcher.look(OLD if is_seen else FINE, after_s)
    days = (watcher.now - NOW) / DAY_S
    # each beginning that is remembered doubles what its end takes: 5, 10, 20 min ... at most 5 h 20 min
    assert len(watcher.told) <= 2 * (7 + 5 * days) + days + 2


@given(looks=jumps)
def test_no_time_that_is_kept_lies_in_the_future(looks: list[tuple[bool, float]]) -> None:
    watcher = Watcher()
    for is_seen, after_s in looks:
        watcher.look(OLD if is_seen else FINE, after_s)
        for each in watcher.state.standings:
            assert each.since <= watcher.now
            assert (each.told_at or 0.0) <= watcher.now
            assert (each.clear_since or 0.0) <= watcher.now


@given(looks=looks, start=st.floats(0, 1e10))
def test_what_it_decides_does_not_hang_on_the_date(looks: list[tuple[bool, float]], start: float) -> None:
    one, other = Watcher(), Watcher(round(start))
    for is_seen, after_s in looks:
        snapshot = PLACE if is_seen else FINE
        assert one.look(snapshot, after_s) == other.look(snapshot, after_s)
