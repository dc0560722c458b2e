"""What a person sees of twolane in the terminal of a server."""

import logging
import signal
from collections.abc import Callable, Generator
from contextlib import contextmanager

import pytest

from tests.fastapi.servers import Server
from twolane.fastapi.server_log import logged_as_by_the_server


class Lines(logging.Handler):
    """Keeps what it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{record.levelname} {record.getMessage()}")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Callable[[], Lines]:
    """Makes what uvicorn shows; and nothing between twolane's logger and the root, where pytest listens.

    Called in the test: before it, pytest would listen at a logger that does not propagate.
    """

    def configured() -> Lines:
        lines = Lines()
        for name, handlers in (("twolane", []), ("uvicorn", [lines])):
            monkeypatch.setattr(logging.getLogger(name), "propagate", False)
            monkeypatch.setattr(logging.getLogger(name), "handlers", handlers)
        return lines

    return configured


@contextmanager
def level(name: str, level: int) -> Generator[None]:
    logging.getLogger(name).setLevel(level)
    try:
        yield
    finally:
        logging.getLogger(name).setLevel(logging.NOTSET)


def say_a_line_each() -> None:
    logging.getLogger("twolane.worker").debug("a detail")
    logging.getLogger("twolane.worker").info("work is done")
    logging.getLogger("twolane.background.done").info("mail done")
    logging.getLogger("twolane.worker").warning("work failed")


def test_lines_go_where_the_servers_go_while_the_app_runs(server: Callable[[], Lines]) -> None:
    shown = server()
    with level("uvicorn.error", logging.INFO), logged_as_by_the_server():
        say_a_line_each()
    say_a_line_each()
    assert shown.lines == ["INFO work is done", "WARNING work failed"]
    for name in ("twolane", "twolane.background.done"):
        assert logging.getLogger(name).level == logging.NOTSET


def test_no_more_is_shown_than_of_the_server(server: Callable[[], Lines]) -> None:
    shown = server()
    with level("uvicorn.error", logging.ERROR), logged_as_by_the_server():
        say_a_line_each()
    assert shown.lines == []


def test_a_level_that_the_app_has_set_stands(server: Callable[[], Lines]) -> None:
    shown = server()
    with level("twolane.background.done", logging.INFO), level("twolane", logging.DEBUG):
        with logged_as_by_the_server():
            say_a_line_each()
        assert logging.getLogger("twolane").level == logging.DEBUG
    assert shown.lines == ["DEBUG a detail", "INFO work is done", "INFO mail done", "WARNING work failed"]


def test_logging_that_the_app_has_configured_stands(server: Callable[[], Lines]) -> None:
    shown, its_own = server(), Lines()
    logging.getLogger("twolane").addHandler(its_own)
    with logged_as_by_the_server():
        say_a_line_each()
    assert (its_own.lines, shown.lines) == (["WARNING work failed"], [])


def test_uvicorn_shows_them_like_its_own() -> None:
    server = Server("tests.fastapi.served:app", GRACE_S="0.05", LOGGING="the server's")
    try:
        server.request("POST", "/twolane/sync")
        server.hear("waits begins")
        server.connection.close()
        server.signal(signal.SIGTERM)
        said = server.end().splitlines()
    finally:
        server.close()
    for begins, words in (
        ("INFO:     2 background task(s)", "unfinished: waiting up to"),
        ("ERROR:    waits ", "lost by the shutdown: unfinished"),
    ):
        assert [line for line in said if line.startswith(begins) and words in line]
