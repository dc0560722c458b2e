from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.aws.places import Place, TurnedClock
from tests.aws.proxy import Proxy, proxy
from tests.aws.servers import Server
from tests.backends.sqs.alone import Alone
from tests.contract.house import House, InAws


@pytest.fixture
def clock(turned_aws: Server) -> TurnedClock:
    return TurnedClock(turned_aws)


@pytest.fixture
def place(turned_aws: Server, clock: TurnedClock) -> Iterator[Place]:
    made = Place(turned_aws)
    yield made
    made.close()


@pytest.fixture
def between(turned_aws: Server) -> Iterator[Proxy]:
    """A proxy before the server, which does nothing yet."""
    with proxy(turned_aws) as made:
        yield made


@pytest.fixture
def alone(place: Place, clock: TurnedClock) -> Iterator[Alone]:
    """SQS without a state store."""
    made = Alone(place, clock)
    yield made
    made.queue.close()


@pytest.fixture
def house(turned_aws: Server, between: Proxy, clock: TurnedClock) -> Iterator[House]:
    """A queue whose every call goes through the proxy."""
    backend = InAws(Place(turned_aws, through=between.server), clock)
    yield House(backend, clock)
    between.faults.clear()
    backend.close()
