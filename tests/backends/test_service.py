"""How AWS is called: clients made at start, as many connections as threads, time-outs beyond the longest poll."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.loaders import JSONFileLoader

from twolane.backends.aws import AwsError, Service, code_of, descriptions, explained, new_session


@pytest.fixture(autouse=True)
def region(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_ENDPOINT_URL_SQS": "http://127.0.0.1:9",
    }.items():
        monkeypatch.setenv(name, value)


def test_a_poll_is_read_beyond_its_end_and_made_once_while_other_calls_are_repeated() -> None:
    service = Service("sqs", poll_s=20, threads=3)
    service.start()

    quick, waiting = (each.meta.config for each in (service.client, service.waiting_client))
    assert waiting.read_timeout > 20
    assert (quick.retries["mode"], quick.retries["total_max_attempts"]) == ("standard", 3)
    assert waiting.retries["total_max_attempts"] == 1
    assert quick.max_pool_connections == waiting.max_pool_connections == 3
    assert quick.read_timeout * 3 < 30, "a sender calls the outcome unknown after 30 s"
    service.close()


def test_clients_are_made_at_start_and_go_where_the_environment_says() -> None:
    service = Service("sqs", poll_s=20)
    assert "client" not in service.__dict__
    service.start()

    assert {"client", "waiting_client"} <= set(service.__dict__)
    assert service.client.meta.endpoint_url == "http://127.0.0.1:9"
    service.close()


def test_no_description_is_read_twice_and_two_threads_may_ask_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read: list[str] = []
    load = JSONFileLoader.load_file

    def said(self: JSONFileLoader, path: str) -> Any:
        if (found := load(self, path)) is not None:
            read.append(path)
        return found

    monkeypatch.setattr(JSONFileLoader, "load_file", said)
    descriptions.cache_clear()
    shared = new_session()
    services = [
        Service("sqs", poll_s=20),
        Service("dynamodb"),
        *(Service("sqs", session=shared) for _ in range(4)),
    ]

    with ThreadPoolExecutor(len(services)) as pool:
        for made in [pool.submit(each.start) for each in services]:
            made.result()

    assert len([path for path in read if "service-2" in path]) == 2
    assert len(read) == len(set(read))
    for each in services:
        each.close()


def test_botocore_is_imported_at_first_use() -> None:
    code = (
        "import sys, twolane.backends.sqs as s, twolane.backends.dynamodb as d\n"
        "from twolane.wiring.clock import SystemClock\n"
        "q = s.SqsQueue(s.Address('q'), d.DynamoState('table'), clock=SystemClock())\n"
        "assert 'botocore' not in sys.modules\n"
        "q.start.__self__._service.start()\n"
        "assert 'botocore' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "PYTHONPATH": "src"})


def answered(status: int, code: str, **more: str) -> AwsError:
    """What becomes of an error that AWS answers."""

    class Answered(Exception):
        response: dict[str, Any] = {  # noqa: RUF012
            "Error": {"Code": code, "Message": "m", **more},
            "ResponseMetadata": {"HTTPStatusCode": status},
        }

    return explained(Answered(), "sending to queue imports")


@pytest.mark.parametrize(
    ("code", "way_out"),
    [
        ("AccessDenied", r"this role may not do that: allow it in its policy \(m\)$"),
        ("AccessDeniedException", r"this role may not do that: allow it in its policy \(m\)$"),
        ("KMS.AccessDeniedException", r"this role may not do that: allow it in its policy \(m\)$"),
        ("KmsAccessDenied", r"allow kms:GenerateDataKey and kms:Decrypt on it \(m\)$"),
        ("ExpiredToken", "have expired: renew them$"),
        ("ExpiredTokenException", "have expired: renew them$"),
        ("InvalidClientTokenId", "does not know these credentials$"),
        ("UnrecognizedClientException", "does not know these credentials$"),
        ("InvalidAccessKeyId", "does not know these credentials$"),
        ("SignatureDoesNotMatch", "this machine's clock$"),
        ("InvalidSignatureException", "this machine's clock$"),
        ("QueueDoesNotExist", "there is no such queue: check its name"),
        ("ResourceNotFoundException", "there is no such table: check its name"),
        ("OverLimit", "limit of messages in flight"),
        ("RequestThrottled", "try again in a moment"),
        ("Unheard", "Unheard: m$"),
    ],
)
def test_each_refusal_of_aws_names_the_way_out(code: str, way_out: str) -> None:
    error = answered(400, code)
    assert re.search(way_out, str(error))
    assert not error.sent


def test_an_error_of_a_service_leaves_open_what_has_happened() -> None:
    assert answered(503, "ServiceUnavailable").sent


def test_an_error_that_goes_by_a_new_name_is_known_by_its_old_one() -> None:
    error = answered(400, "New", QueryErrorCode="AWS.SimpleQueueService.NonExistentQueue")
    assert "there is no such queue" in str(error)


@pytest.mark.parametrize(
    "spelling",
    ["AWS.SimpleQueueService.NonExistentQueue", "com.amazonaws.sqs#QueueDoesNotExist", "QueueDoesNotExist"],
)
def test_both_spellings_of_a_code_mean_the_same(spelling: str) -> None:
    error = answered(400, spelling)

    assert error.code == code_of(spelling) in {"NonExistentQueue", "QueueDoesNotExist"}
    assert not error.sent
    assert str(error).startswith("sending to queue imports failed: there is no such queue: check its name")
