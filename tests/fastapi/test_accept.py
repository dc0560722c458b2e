from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twolane.fastapi.accept import prefers_events


@pytest.mark.parametrize(
    "accept",
    [
        "text/event-stream",
        "Text/Event-Stream; charset=utf-8",
        "text/event-stream, */*",
        "*/*, text/event-stream",
        "text/event-stream, application/json",
        "application/json;q=0.5, text/event-stream;q=0.9",
        "text/html, text/event-stream;q=0.1",
    ],
)
def test_events(accept: str) -> None:
    assert prefers_events([accept])
    assert prefers_events(accept.split(","))


@pytest.mark.parametrize(
    "accept",
    [
        "",
        "*/*",
        "application/json",
        "text/*",
        "text/html,application/xhtml+xml,*/*;q=0.8",
        "application/json, text/event-stream",
        "text/event-stream;q=0",
        "text/event-stream;q=0.4, application/json;q=0.5",
        "text/event-stream;q=0.4, */*",
        "text/event-stream;q=nonsense",
        "text/event-streams",
        ";;,,=",
    ],
)
def test_json(accept: str) -> None:
    assert not prefers_events([accept])


def test_no_header_at_all() -> None:
    assert not prefers_events([])


@given(st.lists(st.text()))
def test_nothing_that_a_client_sends_is_an_error(accept: list[str]) -> None:
    assert prefers_events(accept) in (True, False)
