"""The proxy itself: each misdeed is what it says, and a seed says which."""

from __future__ import annotations

import http.client
import json
import random
import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.aws.faults import (
    Chances,
    Fault,
    Weather,
    cut,
    cut_off,
    drop_after,
    drop_before,
    duplicate,
    fail,
    refuse_some,
    throttle,
)
from tests.aws.proxy import Proxy, proxy, proxy_process
from tests.aws.servers import Server

TARGET = {"X-Amz-Target": "AmazonSQS.SendMessageBatch"}
BATCH = json.dumps({"Entries": [{"Id": str(number)} for number in range(4)]})


class Upstream:
    """A server that takes every entry, and keeps what came."""

    def __init__(self) -> None:
        self.came: list[dict[str, Any]] = []
        self.server = Server("")


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    made = Upstream()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            made.came.append(asked)
            body = json.dumps({"Successful": asked["Entries"], "number": len(made.came)}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("x-told", "yes")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Nobody reads it."""

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    httpd.daemon_threads = True
    thread = threading.Thread(target=httpd.serve_forever, args=(0.02,))
    thread.start()
    made.server = Server(f"http://127.0.0.1:{httpd.server_port}")
    yield made
    httpd.shutdown()
    httpd.server_close()
    thread.join()


@pytest.fixture
def between(upstream: Upstream) -> Iterator[Proxy]:
    with proxy(upstream.server) as made:
        yield made


def connect(server: Server) -> http.client.HTTPConnection:
    where = urlsplit(server.url)
    return http.client.HTTPConnection(where.hostname or "", where.port, timeout=10)


def ask(server: Server) -> tuple[int, bytes, str | None]:
    """One request, over a connection of its own: status, body, and a header that is passed on."""
    with closing(connect(server)) as connection:
        connection.request("POST", "/", BATCH, TARGET)
        answer = connection.getresponse()
        return answer.status, answer.read(), answer.getheader("x-told")


def test_a_calm_day_changes_nothing_and_counts(upstream: Upstream, between: Proxy) -> None:
    status, body, told = ask(between.server)

    assert (status, told) == (200, "yes")
    assert len(json.loads(body)["Successful"]) == 4
    assert between.told() == {"counts": {"SendMessageBatch": 1}, "dealt": {}}


def test_a_request_that_a_kill_has_cut_short_is_not_passed_on(upstream: Upstream, between: Proxy) -> None:
    with closing(connect(between.server)) as connection:
        connection.request("POST", "/", BATCH, TARGET | {"Content-Length": str(len(BATCH) + 1)})
        connection.sock.shutdown(socket.SHUT_WR)
        with pytest.raises(http.client.RemoteDisconnected):
            connection.getresponse()
    assert upstream.came == []


@pytest.mark.parametrize(("fault", "arrivals"), [(drop_before, 0), (drop_after, 1)])
def test_a_dropped_request_has_no_answer_and_arrived_or_not(
    upstream: Upstream, between: Proxy, fault: Fault, arrivals: int
) -> None:
    between.faults["SendMessageBatch"] = fault

    with pytest.raises(http.client.RemoteDisconnected):
        ask(between.server)

    assert len(upstream.came) == arrivals


def test_a_duplicate_arrives_twice_and_answers_with_the_second(upstream: Upstream, between: Proxy) -> None:
    between.faults["SendMessageBatch"] = duplicate

    assert json.loads(ask(between.server)[1])["number"] == 2
    assert len(upstream.came) == 2


def test_a_cut_answer_is_half_of_it_and_shows_or_not(upstream: Upstream, between: Proxy) -> None:
    whole = ask(between.server)[1]
    between.faults["SendMessageBatch"] = cut
    assert ask(between.server)[1] == whole[: len(whole) // 2]
    between.faults["SendMessageBatch"] = cut_off
    with pytest.raises(http.client.IncompleteRead):
        ask(between.server)[1]
    assert len(upstream.came) == 3


@pytest.mark.parametrize(
    ("fault", "status", "word"),
    [(throttle, 400, b"RequestThrottled"), (fail(503, "ServiceUnavailable"), 503, b"ServiceUnavailable")],
)
def test_what_is_refused_does_not_arrive(
    upstream: Upstream, between: Proxy, fault: Fault, status: int, word: bytes
) -> None:
    between.faults["SendMessageBatch"] = fault

    answered, body, _ = ask(between.server)

    assert answered == status
    assert word in body
    assert upstream.came == []


def test_of_a_batch_some_arrive_and_each_entry_is_answered_for(upstream: Upstream, between: Proxy) -> None:
    between.faults["SendMessageBatch"] = refuse_some(lambda number: number % 2 == 0)

    answer = json.loads(ask(between.server)[1])

    assert [each["Id"] for each in upstream.came[0]["Entries"]] == ["1", "3"]
    assert [each["Id"] for each in answer["Successful"]] == ["1", "3"]
    assert [(each["Id"], each["Code"]) for each in answer["Failed"]] == [
        ("0", "InternalError"),
        ("2", "InternalError"),
    ]


def test_a_seed_is_a_fate_for_each_request_of_an_operation() -> None:
    chances = Chances.all(0.1)

    def fates(seed: int) -> list[str | None]:
        weather = Weather(seed, chances)
        return [weather.fate(random.Random(f"{seed}/{number}"), batch=True) for number in range(400)]

    assert fates(7) == fates(7) != fates(8)
    assert set(fates(7)) == {
        None, "drop_before", "drop_after", "duplicate", "delay", "throttle", "fail", "cut", "refuse_some",
    }  # fmt: skip
    assert fates(7).count(None) < 160


def test_a_process_of_its_own_is_set_and_tells(upstream: Upstream) -> None:
    with proxy_process(upstream.server) as far:
        assert ask(far.server)[0] == 200
        far.set(seed=3, chances={"throttle": 1.0}, only=["SendMessageBatch"])
        assert ask(far.server)[0] == 400
        assert far.told() == {
            "counts": {"SendMessageBatch": 1},
            "dealt": {"SendMessageBatch throttle": 1},
        }
        far.set()
        assert ask(far.server)[0] == 200
