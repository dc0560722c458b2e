"""When a target is told what, on a clock: the first at once, floods as digests, few messages, never nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from hypothesis import given
from hypothesis import strategies as st

from twolane.engine.pace import MAX_TRY_S, Pace, Tell, WaitUntil, accepted, begun, plan, refused
from twolane.values.outcome import Failure, Reason
from twolane.values.record import Attempt, DeadLetter, Record, State
from twolane.values.telling import Owed, OwedAlert, OwedKind, TargetState

START = 1_800_000_000.0
REMOTE = Pace(most=3, each=False)
LOCAL = Pace(most=20, each=True)
HOOK = Pace(most=None, each=True)
LETTER = DeadLetter(
    Record("m", "t", "default", State.DEAD, 1, 1, 0.0, 0.0, reason=Reason.GAVE_UP),
    "{}",
    (Attempt(1, "failed", Failure("E", "e")),),
)


@dataclass
class World:
    """A target of one pace, what dies, and a clock."""

    pace: Pace
    now: float = START
    state: TargetState = field(default_factory=TargetState)
    alerts: list[tuple[str, float]] = field(default_factory=list[tuple[str, float]])
    messages: list[tuple[float, int]] = field(default_factory=list[tuple[float, int]])
    up: bool = True

    def die(self, *kinds: str) -> None:
        self.alerts += [(kind, self.now) for kind in kinds]

    def owed(self) -> Owed:
        beyond = list(enumerate(self.alerts, 1))[self.state.told_to :]
        kinds: dict[str, list[float]] = {}
        for _, (kind, at) in beyond:
            kinds.setdefault(kind, []).append(at)
        whole = 100 if self.pace.most is None else self.pace.most if self.pace.each else 1
        return Owed(
            len(self.alerts),
            len(beyond),
            tuple(OwedKind(kind, len(times), min(times), max(times)) for kind, times in kinds.items()),
            tuple(OwedAlert(number, at, kind, letter=LETTER) for number, (kind, at) in beyond[:whole]),
        )

    def step(self) -> Tell | WaitUntil | None:
        """Do what the plan says, once."""
        owed = self.owed()
        what = plan(owed, self.state, self.now, self.pace)
        if isinstance(what, Tell):
            self.state = begun(self.state, what, self.now, self.pace)
            self.messages += [(self.now, number) for number in range(max(1, len(what.alerts)))]
            kinds = [kind.fingerprint for kind in owed.kinds]
            if self.up:
                self.state = accepted(self.state, what.up_to, kinds, self.now, self.pace)
            else:
                self.state = refused(self.state, "down", self.now)
        return what

    def until(self, at: float) -> None:
        """Let time pass, doing what the plan says whenever it wants to be asked."""
        while True:
            what = self.step()
            if isinstance(what, Tell):
                continue
            if what is None or what.at > at:
                self.now = at
                return
            assert what.at > self.now
            self.now = what.at

    @property
    def untold(self) -> int:
        return len(self.alerts) - self.state.told_to


def most_in_a_minute(messages: Sequence[tuple[float, int]]) -> int:
    times = [at for at, _ in messages]
    return max((sum(at <= other < at + 60 for other in times) for at in times), default=0)


def test_nothing_is_owed() -> None:
    assert plan(World(REMOTE).owed(), TargetState(), START, REMOTE) is None


def test_the_first_of_a_kind_goes_at_once() -> None:
    world = World(REMOTE)
    world.die("a")
    what = world.step()
    assert isinstance(what, Tell)
    assert [alert.fingerprint for alert in what.alerts] == ["a"]
    world.now += 1
    world.die("b")
    assert isinstance(world.step(), Tell)


def test_what_follows_within_the_minute_goes_as_one_digest() -> None:
    world = World(REMOTE)
    world.die("a")
    world.step()
    world.now += 10
    world.die("a", "a")
    assert world.step() == WaitUntil(START + 60)
    world.now = START + 59
    world.die("a")
    assert world.step() == WaitUntil(START + 60)
    world.now = START + 60
    assert world.step() == Tell(4)
    assert world.untold == 0


def test_ten_thousand_deaths_in_a_minute_are_at_most_three_messages() -> None:
    for kinds in (1, 3, 10_000):
        world = World(REMOTE)
        for number in range(100):
            world.die(*[f"k{(number * 100 + each) % kinds}" for each in range(100)])
            world.until(world.now + 0.6)
        assert len(world.messages) <= 3
        world.until(START + 120)
        assert world.untold == 0
        assert most_in_a_minute(world.messages) <= 3


def test_a_target_that_is_down_for_an_hour_hears_within_a_minute_of_being_up() -> None:
    world = World(REMOTE)
    world.up = False
    for minute in range(60):
        world.die(f"k{minute}")
        world.until(START + 60 * minute + 60)
    assert world.untold == 60
    assert most_in_a_minute(world.messages) <= 3, "a try may have been heard all the same"
    world.up = True
    world.until(world.now + 60)
    assert world.untold == 0


def test_after_a_refusal_it_waits_longer_and_longer_up_to_a_bound() -> None:
    state = TargetState()
    pauses = []
    for _ in range(40):
        state = refused(state, "x" * 10_000, START)
        pauses.append(state.next_at - START)
    assert pauses[:4] == [5.0, 10.0, 20.0, MAX_TRY_S]
    assert set(pauses[4:]) == {MAX_TRY_S}
    assert (state.tries, len(state.error or "")) == (40, 500)
    again = accepted(state, 1, ["a"], START, REMOTE)
    assert (again.tries, again.error, again.next_at) == (0, None, 0.0)


def test_a_log_gets_each_death_until_there_are_too_many() -> None:
    world = World(LOCAL)
    world.die("a", "a", "b")
    what = world.step()
    assert isinstance(what, Tell)
    assert len(what.alerts) == 3
    world.die(*["a"] * 18)
    assert world.step() == Tell(21), "a digest"
    world.die("b")
    assert world.step() == WaitUntil(START + 60)
    world.now = START + 60
    what = world.step()
    assert isinstance(what, Tell)
    assert len(what.alerts) == 1


def test_a_hook_gets_every_death() -> None:
    world = World(HOOK)
    world.die(*["a"] * 250)
    world.until(START + 1)
    assert len(world.messages) == 250


def test_a_clock_that_was_put_back_silences_nobody() -> None:
    later = START + 7200
    state = TargetState(0, 5, later, "down", later, later, (later, later, later), {"a": later})
    world = World(REMOTE, state=state)
    world.die("a")
    assert isinstance(world.step(), Tell)


moments = st.lists(
    st.tuples(
        st.sampled_from(["die", "die", "wait", "down", "up", "jump"]),
        st.sampled_from("abcdefghij"),
        st.integers(1, 90),
    ),
    max_size=60,
)


@given(moments, st.sampled_from([REMOTE, LOCAL, HOOK]))
def test_nothing_stays_untold_and_nobody_is_flooded(story: list[tuple[str, str, int]], pace: Pace) -> None:
    world = World(pace)
    jumped = False
    for what, kind, number in story:
        match what:
            case "die":
                world.die(*[kind] * number)
            case "wait":
                world.until(world.now + number)
            case "jump":
                world.now += (number - 45) * 1000.0
                jumped = True
            case _:
                world.up = what == "up"
        world.step()
    world.up = True
    world.until(world.now + 60)
    assert world.untold == 0, "within a minute of the target being up"
    if pace is REMOTE and not jumped:
        assert most_in_a_minute(world.messages) <= 3


@given(
    st.lists(st.floats(START - 100, START + 100), max_size=5),
    st.dictionaries(st.sampled_from("ab"), st.floats(START - 100, START + 100)),
)
def test_it_never_asks_to_wait_longer_than_a_window(sent: list[float], kinds: dict[str, float]) -> None:
    world = World(REMOTE, state=TargetState(sent=tuple(sent), kinds=kinds))
    world.die("a", "b")
    what = world.step()
    if isinstance(what, WaitUntil):
        assert START < what.at <= START + 60


def test_kinds_are_not_remembered_for_ever() -> None:
    state = accepted(TargetState(), 1, ["a"], START, REMOTE)
    assert accepted(state, 2, ["b"], START + 60, REMOTE).kinds == {"b": START + 60}
    many = accepted(replace(state), 2, [str(each) for each in range(5000)], START, REMOTE)
    assert len(many.kinds) == 1000
