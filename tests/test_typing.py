"""The code that the type checkers accept also runs; `make lint` holds the checkers."""

import asyncio

import pytest
from fastapi.testclient import TestClient

from tests.typing import api
from twolane import DefinitionError
from twolane.testing import open_inbox


def test_what_is_accepted_runs() -> None:
    with open_inbox(api.tasks) as inbox:
        client = TestClient(api.app)
        assert client.post("/subscribe?email=ada").status_code == 200
        files = {"file": ("flights.csv", b"number,seats")}
        assert client.post("/imports?customer_id=7", files=files).status_code == 202
        assert len(client.post("/imports/large").json()) == 7
        assert len(inbox.sent()) == 6  # the two of `ship` have the same unique key


def test_what_is_rejected_is_refused_when_it_runs_all_the_same() -> None:
    for options in ({}, {"if_lost": "never"}, {"if_lost": "ignore", "max_attempts": 5}):
        with pytest.raises(DefinitionError):
            api.tasks.task(**options)  # type: ignore[call-overload]


def test_a_send_at_once() -> None:
    with open_inbox(api.tasks) as inbox:
        asyncio.run(api.tasks.send(api.ship, api.Order(number=1)))
        assert len(inbox.sent(api.ship)) == 1
