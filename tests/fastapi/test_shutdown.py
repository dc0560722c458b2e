"""Real servers and real signals: FastAPI's own background tasks and twolane's, side by side."""

import re
import signal
from collections.abc import Callable, Generator, Sequence

import pytest

from tests.fastapi.servers import GUNICORN, UVICORN, Server

NO_LIMIT = 600.0
NAMES = {"async": "waits_async", "sync": "waits"}


Serve = Callable[..., Server]


@pytest.fixture
def serve() -> Generator[Serve]:
    servers: list[Server] = []

    def start(*options: str, grace_s: float = NO_LIMIT, server: Sequence[str] = UVICORN) -> Server:
        served = Server("tests.fastapi.served:app", *options, server=server, GRACE_S=str(grace_s))
        servers.append(served)
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.mark.parametrize("kind", ["async", "sync"])
class TestSigterm:
    def test_both_wait(self, serve: Serve, kind: str) -> None:
        for whose, waits in (
            ("fastapi", "Waiting for background tasks to complete"),
            ("twolane", "background task(s) unfinished: waiting up to"),
        ):
            server = serve()
            server.request("POST", f"/{whose}/{kind}")
            server.hear(f"{NAMES[kind]} begins")
            server.connection.close()
            server.signal(signal.SIGTERM)
            server.hear(waits)
            server.open()
            said = server.end()
            assert f"{NAMES[kind]} ends" in said
            assert "after ran" in said
            assert ("done ['after'," in said) == (whose == "twolane")

    def test_fastapi_at_the_servers_bound_loses_them_without_a_word(self, serve: Serve, kind: str) -> None:
        server = serve("--timeout-graceful-shutdown", "0")
        server.request("POST", f"/fastapi/{kind}")
        server.hear(f"{NAMES[kind]} begins")
        server.connection.close()
        server.signal(signal.SIGTERM)
        said = server.end()
        assert ("waits_async is cancelled" in said) == (kind == "async")
        assert "finally" not in said
        assert "after ran" not in said
        assert "lost by" not in said

    def test_twolane_is_not_bound_by_it(self, serve: Serve, kind: str) -> None:
        server = serve("--timeout-graceful-shutdown", "0")
        server.request("POST", f"/twolane/{kind}")
        server.hear(f"{NAMES[kind]} begins")
        server.connection.close()
        server.signal(signal.SIGTERM)
        server.hear("unfinished: waiting up to")
        server.open()
        said = server.end()
        assert "after ran" in said
        assert "lost []" in said

    def test_twolane_at_its_own_bound_names_and_counts_each(self, serve: Serve, kind: str) -> None:
        server = serve(grace_s=0.05)
        server.request("POST", f"/twolane/{kind}")
        server.hear(f"{NAMES[kind]} begins")
        server.connection.close()
        server.signal(signal.SIGTERM)
        said = server.end()
        assert re.search(rf"twolane.background: {NAMES[kind]} \S+ lost by the shutdown: unfinished", said)
        assert re.search(r"twolane.background: after \S+ lost by the shutdown: unstarted", said)
        assert f"lost ['after', '{NAMES[kind]}']" in said
        assert "after ran" not in said

    def test_the_second_ctrl_c(self, serve: Serve, kind: str) -> None:
        if kind == "async":  # of FastAPI's; a sync one keeps the process from ending until it ends
            server = serve()
            server.request("POST", "/fastapi/async")
            server.hear("waits_async begins")
            server.signal(signal.SIGINT)
            server.hear("Shutting down")
            server.signal(signal.SIGINT)
            assert "lost by" not in server.end()
        server = serve()
        server.request("POST", f"/twolane/{kind}")
        server.hear(f"{NAMES[kind]} begins")
        server.signal(signal.SIGINT)
        server.hear("Shutting down")
        server.signal(signal.SIGINT)
        assert re.findall(r"(\S+) \S+ lost by the shutdown", server.end()) == [NAMES[kind], "after"]


class TestGunicorn:
    """It kills its worker after `--graceful-timeout`, and one whose event loop does not answer for `--timeout`."""

    @pytest.mark.parametrize("kind", ["async", "sync"])
    def test_its_bound_takes_fastapis_without_a_word(self, serve: Serve, kind: str) -> None:
        server = serve("--graceful-timeout", "1", server=GUNICORN)
        server.request("POST", f"/fastapi/{kind}")
        server.hear(f"{NAMES[kind]} begins")
        server.connection.close()
        server.signal(signal.SIGTERM)
        said = server.end()
        for word in (f"{NAMES[kind]} ends", "finally", "after ran", "lost by", "lifespan ends"):
            assert word not in said

    @pytest.mark.parametrize("kind", ["async", "sync"])
    def test_twolane_names_and_counts_each_before_it(self, serve: Serve, kind: str) -> None:
        server = serve("--graceful-timeout", "60", server=GUNICORN, grace_s=0.05)
        server.request("POST", f"/twolane/{kind}")
        server.hear(f"{NAMES[kind]} begins")
        server.connection.close()
        server.signal(signal.SIGTERM)
        assert f"lost ['after', '{NAMES[kind]}']" in server.end()

    @pytest.mark.parametrize("whose", ["fastapi", "twolane"])
    def test_a_worker_that_does_not_answer_is_killed_with_its_tasks(self, serve: Serve, whose: str) -> None:
        """What must not vanish is in the queue: tests/kill."""
        server = serve("--timeout", "1", server=GUNICORN)
        server.request("POST", f"/{whose}/holding")
        server.hear("holds begins")
        server.hear("WORKER TIMEOUT")
        server.hear("Booting worker")
        server.signal(signal.SIGTERM)
        said = server.end()
        assert "holds ends" not in said
        assert "after ran" not in said


def test_sigkill_takes_both_without_a_word(serve: Serve) -> None:
    server = serve()
    for whose in ("fastapi", "twolane"):
        server.request("POST", f"/{whose}/async")
        server.hear("waits_async begins")
    server.signal(signal.SIGKILL)
    assert server.end().endswith("waits_async begins")


def test_create_task_is_gone_and_send_is_waited_for(serve: Serve) -> None:
    server = serve()
    server.request("POST", "/create_task")
    server.hear("waits_async begins")
    server.connection.close()
    server.signal(signal.SIGTERM)
    said = server.end()
    assert "waits_async ends" not in said
    assert "lost []" in said

    server = serve()
    server.request("POST", "/send")
    server.hear("waits_async begins")
    server.connection.close()
    server.signal(signal.SIGTERM)
    server.hear("unfinished: waiting up to")
    server.open()
    assert "waits_async ends" in server.end()


def test_a_stop_is_heard_of_while_requests_still_run(serve: Serve) -> None:
    """uvicorn waits for them before it tells the lifespan."""
    server = serve()
    server.connection.request("GET", "/events")
    answer = server.connection.getresponse()
    assert answer.readline() == b"open\n"
    server.signal(signal.SIGTERM)
    assert answer.readline() == b"closed\n"
    answer.read()
    server.connection.close()
    said = server.end()
    assert said.index("the stream heard of the stop") < said.index("lifespan ends")


@pytest.mark.parametrize("whose", ["fastapi", "twolane"])
def test_the_next_request_of_the_connection_does_not_wait(serve: Serve, whose: str) -> None:
    server = serve()
    server.request("POST", f"/{whose}/async")
    server.hear("waits_async begins")
    assert server.request("GET", "/ping") == b'"pong"'
    server.open()
    server.hear("after ran")


@pytest.mark.parametrize("whose", ["fastapi", "twolane"])
def test_a_client_that_disconnects_does_no_harm(serve: Serve, whose: str) -> None:
    server = serve()
    server.request("POST", f"/{whose}/async")
    server.hear("waits_async begins")
    server.connection.close()
    server.request("GET", "/ping")
    server.open()
    server.hear("after ran")
