"""The outbox: what is owed to whom, until it was accepted; and what people did about dead letters."""

from __future__ import annotations

import pytest

from tests.contract.house import FAILURE, House
from twolane.contracts.outbox import Act, OweNotice, RegisterTargets, SaveTarget
from twolane.contracts.queue import DeadLetterDelivery, Discard, Redrive
from twolane.contracts.upkeep import Prune, Reap
from twolane.values.errors import SendRefused
from twolane.values.fingerprint import fingerprint
from twolane.values.letters import Action, Matching
from twolane.values.outcome import Failure, Reason
from twolane.values.record import State
from twolane.values.telling import FORGET_S, LIVE_S, Notice, TargetState

DAY_S = 86_400.0


def bury(house: House, failure: Failure = FAILURE, reason: Reason = Reason.GAVE_UP, **fields: str) -> str:
    """Let a message die."""
    message_id = house.send(**fields)
    receipt = next(each.receipt for each in house.receive() if each.id == message_id)
    assert house.do(DeadLetterDelivery(receipt, reason, failure)).held
    return message_id


def names(house: House) -> list[str]:
    return [row.id for row in house.records.telling().targets]


class TestOwed:
    def test_a_death_is_owed_from_the_moment_of_the_death(self, house: House) -> None:
        message_id = bury(house)

        owed = house.records.owed(0, whole=10)

        [alert], [kind] = owed.first, owed.kinds
        assert (owed.up_to, owed.total) == (1, 1)
        assert (alert.number, alert.owed_at) == (1, house.clock.now())
        assert alert.letter == house.records.dead_letter(message_id)
        assert (kind.count, kind.task, kind.reason, kind.id) == (1, "app:work", Reason.GAVE_UP, message_id)
        assert kind.error == "ValueError: no such flight"
        assert kind.fingerprint == alert.fingerprint == fingerprint("app:work", FAILURE)
        stats = house.records.stats()
        assert (stats.owed_alerts, stats.told_alerts) == (1, 0)

    def test_what_is_owed_is_counted_by_kind_the_most_frequent_first(self, house: House) -> None:
        last = bury(house, Failure("KeyError", "seats"), task="app:other")
        for number in range(3):
            bury(house, Failure("ValueError", f"order {number} is gone"))
            house.clock.advance(1)

        many, one = house.records.owed(0).kinds

        assert (many.count, many.last_at - many.first_at, many.error) == (
            3,
            2.0,
            "ValueError: order 2 is gone",
        )
        assert (one.count, one.task, one.id) == (1, "app:other", last)
        assert house.records.owed(3).total == 1
        assert house.records.owed(4).total == 0
        assert [alert.number for alert in house.records.owed(1, whole=2).first] == [2, 3]
        assert house.records.owed(1, whole=0).first == ()

    def test_each_death_of_a_message_is_owed(self, house: House) -> None:
        message_id = bury(house)
        house.do(Redrive(message_id))
        house.do(DeadLetterDelivery(house.take().receipt, Reason.GAVE_UP, FAILURE))

        letters = [alert.letter for alert in house.records.owed(0, whole=10).first]

        assert [letter and letter.record.id for letter in letters] == [message_id] * 2

    def test_one_that_was_discarded_meanwhile_is_told_all_the_same(self, house: House) -> None:
        house.do(Discard(bury(house)))

        owed = house.records.owed(0, whole=1)

        assert (owed.total, owed.kinds[0].error) == (1, "ValueError: no such flight")
        letter = owed.first[0].letter
        assert letter is not None
        assert (letter.record.state, letter.body, letter.attempts) == (State.DISCARDED, "", ())

    def test_one_that_was_sent_back_meanwhile_is_told_as_it_is_now(self, house: House) -> None:
        house.do(Redrive(bury(house)))

        [alert] = house.records.owed(0, whole=1).first

        assert alert.letter is not None
        assert alert.letter.record.state is State.WAITING
        assert alert.died is not None
        assert alert.died.record.reason is Reason.GAVE_UP, "why it died is known still"

    def test_a_notice_is_owed_as_a_death_is(self, house: House) -> None:
        assert house.do(OweNotice("disk", "The disk is full", "Make room.\nNow.")) == 1

        owed = house.records.owed(0, whole=1)

        assert owed.first[0].notice == Notice("disk", "The disk is full", "Make room.\nNow.")
        assert (owed.kinds[0].notice, owed.kinds[0].error, owed.kinds[0].id) == (True, "The disk is full", "")
        assert house.records.stats().owed_alerts == 1


class TestTargets:
    def test_one_is_told_when_it_says_so(self, house: House) -> None:
        bury(house)
        house.tell("t")

        stats = house.records.stats()

        assert (stats.owed_alerts, stats.told_alerts) == (0, 1)

    def test_what_one_target_lacks_is_owed(self, house: House) -> None:
        bury(house)
        house.tell("other", to=0)
        house.tell("t")

        assert house.records.stats().owed_alerts == 1

    def test_a_new_one_begins_where_the_one_behind_stands(self, house: House) -> None:
        house.do(RegisterTargets((("first", "First"),)))
        assert house.target("first").state.told_to == 0
        for _ in range(3):
            bury(house)
        house.tell("first", to=2)
        house.do(RegisterTargets((("first", "First"), ("new", "New"))))

        assert house.target("new").state == TargetState(told_to=2)
        assert house.target("first").state.told_to == 2

    def test_one_that_is_called_otherwise_now_goes_on(self, house: House) -> None:
        bury(house)
        house.do(RegisterTargets((("t", "Slack"),)))
        house.tell("t", to=1)
        house.do(RegisterTargets((("t", "Slack #ops"),)))

        assert (house.target("t").name, house.target("t").state.told_to) == ("Slack #ops", 1)

    def test_what_is_written_down_is_read_again(self, house: House) -> None:
        house.do(RegisterTargets((("t", "Name é"),)))
        row = house.target("t")
        state = TargetState(2, 3, 5.5, "no answer é", 4.0, 3.0, (1.0, 2.0), {"k": 1.0})

        assert house.do(SaveTarget("t", row.version, state, leased_until=77.0)) == row.version + 1

        assert house.target("t").state == state
        assert (house.target("t").leased_until, house.target("t").name) == (77.0, "Name é")

    def test_only_who_has_seen_the_row_as_it_is_may_write_it(self, house: House) -> None:
        house.do(RegisterTargets((("t", "T"),)))
        seen = house.target("t").version
        first = house.do(SaveTarget("t", seen, TargetState(1), leased_until=9.0))

        assert house.do(SaveTarget("t", seen, TargetState(5))) is None
        assert house.do(SaveTarget("nobody", 0, TargetState(5))) is None
        assert first is not None
        assert house.do(SaveTarget("t", first, TargetState(2))) == first + 1
        assert house.target("t").state.told_to == 2

    def test_one_that_nobody_names_is_not_waited_for_and_then_forgotten(self, house: House) -> None:
        house.do(RegisterTargets((("old", "Old"), ("t", "T"))))
        bury(house)
        house.clock.advance(LIVE_S + 1)
        house.tell("t")

        assert house.records.stats().owed_alerts == 0
        assert names(house) == ["old", "t"]
        house.clock.advance(FORGET_S - LIVE_S)
        house.do(RegisterTargets((("t", "T"),)))
        assert names(house) == ["t"]

    def test_all_that_were_away_together_are_remembered(self, house: House) -> None:
        house.do(RegisterTargets((("a", "A"), ("b", "B"))))
        bury(house)
        house.clock.advance(FORGET_S - 1)

        assert house.records.stats().owed_alerts == 1
        house.do(RegisterTargets((("a", "A"),)))
        house.do(RegisterTargets((("b", "B"),)))
        assert [row.state.told_to for row in house.records.telling().targets] == [0, 0]

    def test_a_clock_that_is_put_back_makes_no_target_seem_gone(self, house: House) -> None:
        house.do(RegisterTargets((("t", "T"),)))
        house.clock.advance(-DAY_S)
        house.do(RegisterTargets((("u", "U"),)))

        assert len(house.records.telling().live) == 2


class TestPruning:
    def test_what_every_target_was_told_is_forgotten_after_its_time(self, house: House) -> None:
        house.do(OweNotice("k", "t", "b"))
        bury(house)
        house.tell("t")
        house.clock.advance(100)
        house.do(Prune(keep_s=101))
        assert house.records.owed(0).total == 2
        house.do(Prune(keep_s=100))
        assert house.records.owed(0).total == 0

        assert house.records.stats().told_alerts == 2
        assert house.do(OweNotice("k", "t", "b")) == 3

    def test_what_one_target_lacks_is_kept(self, house: House) -> None:
        house.do(OweNotice("k", "t", "b"))
        house.tell("slow", to=0)
        house.tell("t")
        house.clock.advance(100)
        house.do(Prune(keep_s=0))

        assert house.records.owed(0).total == 1


class TestActions:
    def test_what_a_person_does_is_written_down_with_it(self, house: House) -> None:
        dead = [bury(house) for _ in range(3)]
        waiting = house.send()
        action = Action("a1", "ada@host", "redrive", "--task app:work")

        answers = house.do(
            Act(action, (Redrive(dead[0]), Redrive(dead[1]), Redrive(waiting), Redrive("none")))
        )

        assert answers == (State.WAITING, State.WAITING, State.WAITING, None)
        [kept] = house.records.actions()
        assert kept == Action("a1", "ada@host", "redrive", "--task app:work", house.clock.now(), 2)
        house.clock.advance(1)
        house.do(Act(action, (Discard(dead[2]),)))
        house.do(Act(Action("a2", "bob", "discard", "x"), (Discard("x"),)))
        assert [(each.id, each.count) for each in house.records.actions()] == [("a2", 0), ("a1", 3)]
        assert [each.id for each in house.records.actions(limit=1)] == ["a2"]

    def test_what_is_refused_fails_alone(self, house: House) -> None:
        first = bury(house, unique_key="k")
        house.send(unique_key="k")
        second = bury(house, task="app:other")

        answers = house.do(Act(Action("a", "w", "redrive", "all"), (Redrive(first), Redrive(second))))

        assert isinstance(answers[0], SendRefused)
        assert answers[1] is State.WAITING
        assert house.state(first) is State.DEAD
        assert house.records.actions()[0].count == 1


class TestFinding:
    @pytest.fixture
    def letters(self, house: House) -> dict[str, str]:
        ids = {"seats": bury(house, Failure("ValueError", "no Seats in 12 Ä"))}
        house.clock.advance(10)
        ids["other"] = bury(house, Failure("KeyError", "100%_x"), Reason.TIMED_OUT, task="app:other")
        house.clock.advance(10)
        ids["again"] = bury(house, Failure("ValueError", "no Seats in 7 Ä"))
        return ids

    @pytest.mark.parametrize(
        ("which", "found"),
        [
            (Matching(), ["again", "other", "seats"]),
            (Matching(task="app:work"), ["again", "seats"]),
            (Matching(reason=Reason.TIMED_OUT), ["other"]),
            (Matching(error="seats IN"), ["again", "seats"]),
            (Matching(error="keyerror"), ["other"]),
            (Matching(error="%_"), ["other"]),
            (Matching(error="Ä"), ["again", "seats"]),
            (Matching(error="ä"), ["again", "seats"]),
            (Matching(error="no such thing"), []),
            (Matching(task="app:work", error="7"), ["again"]),
        ],
    )
    def test_filters(self, house: House, letters: dict[str, str], which: Matching, found: list[str]) -> None:
        wanted = [letters[name] for name in found]

        assert [letter.record.id for letter in house.records.list_dead(which)] == wanted
        assert sorted(house.records.dead_ids(which)) == sorted(wanted)
        assert sum(group.count for group in house.records.dead_groups(which)) == len(wanted)

    def test_times_and_kinds(self, house: House, letters: dict[str, str]) -> None:
        now = house.clock.now()
        kind = fingerprint("app:work", Failure("ValueError", "no Seats in 3 Ä"))

        def ids(which: Matching) -> list[str]:
            return [letter.record.id for letter in house.records.list_dead(which)]

        assert ids(Matching(since=now - 10)) == [letters["again"], letters["other"]]
        assert ids(Matching(until=now - 10)) == [letters["seats"]]
        assert ids(Matching(since=now - 20, until=now)) == [letters["other"], letters["seats"]]
        assert ids(Matching(fingerprint=kind)) == [letters["again"], letters["seats"]]

    def test_groups(self, house: House, letters: dict[str, str]) -> None:
        now = house.clock.now()

        many, one = house.records.dead_groups()

        assert (many.task, many.count, many.first_at, many.last_at) == ("app:work", 2, now - 20, now)
        assert (many.id, many.error, many.reason) == (
            letters["again"],
            "ValueError: no Seats in 7 Ä",
            Reason.GAVE_UP,
        )
        assert (one.task, one.count, one.reason) == ("app:other", 1, Reason.TIMED_OUT)
        assert house.records.dead_groups(limit=1) == [many]

    def test_one_that_was_sent_back_is_no_dead_letter_any_more(
        self, house: House, letters: dict[str, str]
    ) -> None:
        house.do(Redrive(letters["other"]))
        house.do(Discard(letters["seats"]))

        assert [group.id for group in house.records.dead_groups()] == [letters["again"]]


def test_a_death_that_the_queue_found_has_a_kind_too(house: House) -> None:
    house.send(max_attempts=1)
    house.take()
    house.clock.advance(61)
    house.do(Reap())

    [group] = house.records.dead_groups()

    assert group.reason is Reason.USED_UP
    assert house.records.owed(0).kinds[0].fingerprint == group.fingerprint
