"""One thread computes a call at a time, and all may wait for AWS at the same time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from twolane.backends import aws
from twolane.backends.aws import AwsError, Service
from twolane.backends.computing import BREATH_S, PIECE, Computing, in_breaths

CALLS = 3
LONG_S = 10.0


class Answering(BaseHTTPRequestHandler):
    """Answers nobody before all have come."""

    server: Serving

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.all_are_here.wait(LONG_S)
        self.server.callers.append(self.headers["User-Agent"])
        body = b'{"QueueUrl": "http://q"}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None: ...  # noqa: A002  (its name there)


class Serving(ThreadingHTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answering)
        self.all_are_here = threading.Barrier(CALLS)
        self.callers: list[str] = []


@pytest.fixture
def server() -> Iterator[Serving]:
    serving = Serving()
    threading.Thread(target=serving.serve_forever, args=[0.01]).start()
    yield serving
    serving.shutdown()
    serving.server_close()


@pytest.fixture
def service(server: Serving, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    for name, value in {
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_SDK_UA_APP_ID": "flights",
        "AWS_ENDPOINT_URL_SQS": f"http://127.0.0.1:{server.server_address[1]}",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(aws, "Computing", lambda: Computing(wait_s=LONG_S))
    made = Service("sqs")
    yield made
    made.close()


def ask(service: Service) -> Any:
    return service.call("get_queue_url", "looking for a queue", QueueName="q")


def test_while_a_request_is_on_its_way_the_next_call_computes(service: Service) -> None:
    service.start()

    answers = service.side_by_side([lambda: ask(service)] * CALLS)

    assert [answer["QueueUrl"] for answer in answers] == ["http://q"] * CALLS


def test_of_calls_made_at_the_same_moment_one_computes_at_a_time(service: Service) -> None:
    service.start()
    two_compute = threading.Barrier(2)
    met: list[int] = []

    def meet(**_: Any) -> None:
        with suppress(threading.BrokenBarrierError):
            met.append(two_compute.wait(0.05))

    service.client.meta.events.register_first("before-sign.sqs", meet)
    service.side_by_side([lambda: ask(service)] * CALLS)

    assert not met


def test_a_call_that_fails_before_it_leaves_keeps_nobody_waiting(service: Service) -> None:
    service.start()

    def refuse(**_: Any) -> None:
        raise RuntimeError("no signature")

    service.client.meta.events.register_first("before-sign.sqs", refuse)
    with pytest.raises(AwsError, match="no signature"):
        ask(service)
    service.client.meta.events.unregister("before-sign.sqs", refuse)

    assert len(service.side_by_side([lambda: ask(service)] * CALLS)) == CALLS


def test_who_has_waited_for_long_goes_on_and_takes_nobodys_turn() -> None:
    computing = Computing(wait_s=0.0)
    with computing, ThreadPoolExecutor(1) as other:

        def enter() -> bool:
            with computing:
                pass
            return computing.is_taken

        assert other.submit(enter).result(), "it ended the turn of another"
    assert not computing.is_taken


def test_who_begins_lets_the_others_run_first() -> None:
    breaths: list[tuple[float, bool]] = []
    computing = Computing(breathe=lambda s: breaths.append((s, computing.is_taken)))

    with computing:
        assert breaths == [(BREATH_S, True)], "and nobody else begins meanwhile"


def test_who_has_many_things_to_make_lets_the_others_in_between() -> None:
    seen: list[int] = []
    let_in: list[float] = []

    seen += in_breaths(iter(range(2 * PIECE + 1)), let_in.append)

    assert seen == list(range(2 * PIECE + 1))
    assert let_in == [BREATH_S] * 2


def test_aws_is_told_who_calls(service: Service, server: Serving) -> None:
    service.start()
    service.side_by_side([lambda: ask(service)] * CALLS)

    assert all("otocore/" in each and each.endswith("twolane app/flights") for each in server.callers)
