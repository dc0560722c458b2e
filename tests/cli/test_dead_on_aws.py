"""`twolane dead redrive | discard` of what SQS has moved to its dead-letter queue by itself, which no worker has seen yet."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests import forks
from tests.aws.places import Place
from tests.aws.servers import Server
from tests.contract.house import answer_of
from tests.waiting import until
from twolane.contracts.queue import Outgoing, Receive, Send
from twolane.values.record import State
from twolane.wiring.clock import SystemClock

CLOCK = SystemClock()


@pytest.fixture
def place(aws: Server) -> Iterator[Place]:
    made = Place(aws, max_receives=1)
    yield made
    made.close()


@pytest.fixture
def moved_away(place: Place) -> str:
    """The id of a message that lies in the dead-letter queue alone; its row says that it runs."""
    queue = place.queue(CLOCK, poll_s=0)
    take = Receive("w", ("default",), None, limit=1, lease_s=1)
    answer_of(queue, Send((Outgoing("m1", "default", "t", "{}", "d", CLOCK.now()),)))
    until(lambda: bool(answer_of(queue, take)), "a delivery")

    def is_gone() -> bool:
        assert not answer_of(queue, take)
        return len(place.dead_letters("default")) == 1

    until(is_gone, "SQS's redrive policy")
    queue.close()
    return "m1"


@pytest.mark.parametrize("which", ["m1", "--all-matching"])
@pytest.mark.parametrize(("verb", "state"), [("redrive", State.WAITING), ("discard", State.DISCARDED)])
def test_a_person_decides_about_what_no_worker_has_swept_yet(
    place: Place, moved_away: str, which: str, verb: str, state: State
) -> None:
    records = place.records(CLOCK)
    assert records.dead_letter(moved_away) is None
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("TWOLANE_")},
        **place.server.environment,
        "TWOLANE_QUEUE": str(place.address),
        "TWOLANE_STATE": f"dynamodb://{place.name}",
        "TWOLANE_BLOBS": "s3://uploads/none",
        "TWOLANE_ALERTS": "log",
    }

    done = forks.run("twolane", "dead", verb, which, "--yes", environment=environment)

    assert done.returncode == 0, done.stderr
    kept = records.get(moved_away)
    records.close()
    assert kept is not None
    assert kept.state is state
    assert place.visible("default") == (state is State.WAITING)
