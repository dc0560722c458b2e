"""Several real processes, one leader: killed, stopped, continued."""

from __future__ import annotations

import signal
from collections.abc import Callable

import pytest

from tests.waiting import until
from tests.watch.processes import Process, Watched
from twolane.values.condition import Kind

Start = Callable[..., Process]
TOLD = "1 dead letter waits for a human, the oldest for 2.0 d"


def leader_of(*processes: Process) -> tuple[Process, Process]:
    """The one that leads, and the other."""
    until(lambda: sum(each.leads for each in processes) == 1, "one leads")
    return tuple(sorted(processes, key=lambda each: not each.leads))  # type: ignore[return-value]


def test_of_two_api_processes_one_leads_and_tells(watched: Watched, serve: Start) -> None:
    watched.bury()
    processes = serve(), serve()
    leader_of(*processes)
    until(lambda: watched.told() == [TOLD], "it is told")
    looked_at = watched.state.looked_at
    until(lambda: (watched.state.looked_at or 0) > (looked_at or 0) + 1, "some more looks")
    assert watched.told() == [TOLD]
    assert sum(each.leads for each in processes) == 1
    for each in processes:
        until(lambda each=each: each.get("/health")[1]["conditions"], "both show it")
        status, told = each.get("/health")
        assert (status, told["status"], told["watched"]) == (200, "warning", True)
        assert [condition["name"] for condition in told["conditions"]] == ["dead_letters"]


def test_another_takes_over_from_one_that_was_killed(watched: Watched, serve: Start) -> None:
    watched.bury()
    leader, other = leader_of(serve(), serve())
    until(lambda: watched.told() == [TOLD], "it is told")

    leader.end(signal.SIGKILL)

    assert until(lambda: other.leads, "the other leads") < 30
    looked_at = watched.state.looked_at
    until(lambda: (watched.state.looked_at or 0) > (looked_at or 0) + 1, "some looks")
    assert watched.told() == [TOLD]  # by the first, and not again


@pytest.mark.long
def test_with_the_start_values_another_takes_over_within_30_s(watched: Watched, start: Start) -> None:
    watched.send()
    leader, other = leader_of(start("twolane", "watch"), start("twolane", "watch"))
    other.until_logged("watching sqlite:///")
    leader.end(signal.SIGKILL)
    assert until(lambda: other.leads, "the other leads") < 30


def test_a_leader_that_was_stopped_and_comes_back_writes_nothing(watched: Watched, serve: Start) -> None:
    leader, other = leader_of(serve(), serve())
    until(lambda: watched.state.looked_at, "it has looked")
    leader.send_signal(signal.SIGSTOP)
    until(lambda: other.leads, "the other leads")
    held_by = watched.state.leader
    watched.let_die()
    watched.make_old(Kind.DEAD_LETTERS)
    until(lambda: watched.told() == [TOLD], "the other tells it")

    leader.send_signal(signal.SIGCONT)

    leader.until_logged("leads the watch no more")
    looked_at = watched.state.looked_at
    until(lambda: (watched.state.looked_at or 0) > (looked_at or 0) + 1, "some more looks")
    assert watched.state.leader == held_by
    assert other.leads
    assert watched.told() == [TOLD]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_who_is_stopped_as_it_should_gives_the_lead_back(
    watched: Watched, start: Start, number: signal.Signals
) -> None:
    watched.send()
    alone = start("twolane", "watch")
    alone.until_logged("this process leads the watch")
    assert alone.end(number) == 0
    assert not watched.state.is_led(watched.state.renewed_at)
    assert "Traceback" not in alone.log


def test_alone_it_tells_the_targets(watched: Watched, start: Start) -> None:
    """No app and no worker runs: the box in its own log is how a person hears of it."""
    watched.send()
    watched.have_seen(Kind.NO_WORKER, "imports")
    alone = start("twolane", "watch")
    alone.until_logged("| queue imports: no live worker serves it, and 1 message waits")
    assert watched.told() == ["queue imports: no live worker serves it, and 1 message waits"]
    assert alone.end() == 0
