"""What the AWS backends share: clients of botocore, a small pool of threads for them, and their errors in words.

botocore is imported at first use. Credentials, region and endpoints are the AWS SDK's own business
(`AWS_PROFILE`, `AWS_REGION`, `AWS_ENDPOINT_URL_SQS`, a role of the container, ...).
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache, cached_property
from typing import Any, TypeVar

from twolane.backends.computing import Computing
from twolane.values.errors import QueueError, SettingsError

log = logging.getLogger("twolane.aws")

A = TypeVar("A")

THREADS = 8
CONNECT_S = 4.0
READ_S = 9.0
ATTEMPTS = 3
"""Three attempts of one call stay below the 30 s after which a sender calls the outcome unknown."""
SAY_EVERY_S = 60.0

_NOTHING_SENT = frozenset(
    [
        "ConnectTimeoutError",
        "EndpointConnectionError",
        "InvalidRegionError",
        "NoCredentialsError",
        "NoRegionError",
        "ParamValidationError",
        "PartialCredentialsError",
        "ProxyConnectionError",
        "SSLError",
        "TokenRetrievalError",
        "UnauthorizedSSOTokenError",
    ]
)
"""Errors of botocore's after which the request surely never left."""

_ADVICE = {
    "NoCredentialsError": "no AWS credentials were found: give this process a role, AWS_PROFILE or AWS_ACCESS_KEY_ID",
    "NoRegionError": "no AWS region is set: set AWS_REGION",
    "QueueDoesNotExist": "there is no such queue: check its name, the region and the account",
    "NonExistentQueue": "there is no such queue: check its name, the region and the account",
    "ResourceNotFoundException": "there is no such table: check its name, the region and the account",
    "NoSuchBucket": "there is no such bucket: check its name and the region",
    "FileNotFoundError": "there is no such bucket: check its name and the region",
    "PermissionDeniedError": "this role may not do that: allow it in its policy",
    "UnauthenticatedError": "AWS does not accept these credentials",
    "AccessDenied": "this role may not do that: allow it in its policy",
    "AccessDeniedException": "this role may not do that: allow it in its policy",
    "ExpiredToken": "the AWS credentials have expired: renew them",
    "ExpiredTokenException": "the AWS credentials have expired: renew them",
    "KmsAccessDenied": "this role may not use the key of this queue: allow kms:GenerateDataKey and kms:Decrypt on it",
    "InvalidAccessKeyId": "AWS does not know these credentials",
    "InvalidClientTokenId": "AWS does not know these credentials",
    "UnrecognizedClientException": "AWS does not know these credentials",
    "InvalidSignatureException": "AWS does not accept the signature: check the secret key and this machine's clock",
    "SignatureDoesNotMatch": "AWS does not accept the signature: check the secret key and this machine's clock",
    "OverLimit": "the queue has reached its limit of messages in flight: settle some, or ask AWS for a higher one",
}
_DENIED = frozenset(["AccessDenied", "AccessDeniedException", "KmsAccessDenied"])
"""AWS's own words tell then who may not do what to which thing."""
_THROTTLED = frozenset(
    [
        "Throttling",
        "ThrottlingError",
        "ThrottlingException",
        "ThrottledException",
        "RequestThrottled",
        "RequestThrottledException",
        "RequestLimitExceeded",
        "ProvisionedThroughputExceeded",
        "ProvisionedThroughputExceededException",
        "SlowDown",
        "TransactionConflict",
        "TransactionInProgressException",
        "KmsThrottled",
    ]
)


class AwsError(QueueError):
    """A call that did not succeed.

    Args:
        sentence: what happened and what to do.
        code: AWS's word for it, or the name of botocore's error; see `code_of`.
        sent: False: AWS has not done it.
    """

    def __init__(self, sentence: str, code: str, *, sent: bool) -> None:
        super().__init__(sentence)
        self.code = code
        self.sent = sent


def code_of(spelling: str) -> str:
    """An error code in its short form: SQS has two spellings of many."""
    return spelling.rpartition("#")[2].rpartition(".")[2]


def way_out(code: str) -> str | None:
    """What an error means and what to do, by AWS's word for it or the name of botocore's or obstore's error."""
    return (
        f"AWS asks for fewer calls ({code}): try again in a moment"
        if is_throttling(code)
        else _ADVICE.get(code)
    )


def is_throttling(code: str) -> bool:
    """AWS asks to come again later."""
    return code in _THROTTLED


def explained(error: Exception, what: str, *, attempts_sent: bool = False) -> AwsError:
    """An error of botocore's as one of ours.

    Args:
        error: what botocore raised.
        what: the call, for people: `sending to queue imports`.
        attempts_sent: an earlier attempt of the same call may have reached AWS.
    """
    response: dict[str, Any] = getattr(error, "response", None) or {}
    if not response:
        code = type(error).__name__
        sent = attempts_sent or code not in _NOTHING_SENT
        return AwsError(f"{what} failed: {_ADVICE.get(code, f'{code}: {error}')}", code, sent=sent)
    told = response.get("Error", {})
    code = code_of(str(told.get("Code", "")))
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    other = code_of(str(told.get("QueryErrorCode", "")))
    advice = way_out(code) or way_out(other) or f"{code}: {told.get('Message', error)}"
    if code in _DENIED and told.get("Message"):
        advice += f" ({told['Message']})"
    refused = status // 100 == 4 and not attempts_sent  # noqa: PLR2004  (the caller's fault)
    return AwsError(f"{what} failed: {advice}", code, sent=not refused)


class Service:
    """One service of AWS: its clients, made at first use, and a pool of threads for its calls.

    Args:
        name: `sqs`, `dynamodb`.
        poll_s: a call may wait for so long at AWS, in seconds: the longest poll.
        threads: how many calls are made at a time, beside those that wait.
        session: botocore's; None: a new one, as the environment says.
        endpoint_url: where the service is; None: as the environment says.
    """

    def __init__(
        self,
        name: str,
        *,
        poll_s: float = 0.0,
        threads: int = THREADS,
        session: Any = None,
        endpoint_url: str | None = None,
    ) -> None:
        self.name = name
        self._session = session
        self._endpoint_url = endpoint_url
        self._poll_s = poll_s
        self._threads = threads
        self._guard = threading.Lock()
        self._pool: ThreadPoolExecutor | None = None
        self._computing = Computing()

    @cached_property
    def client(self) -> Any:
        """For calls that are answered at once."""
        return self._client(READ_S, ATTEMPTS)

    @cached_property
    def waiting_client(self) -> Any:
        """For calls that wait at AWS: one attempt, since the caller calls again."""
        return self._client(self._poll_s + READ_S, 1)

    def start(self) -> None:
        """Make the clients now; said at start is better than at the first send.

        Raises:
            SettingsError: botocore is not installed, or knows no region.
        """
        try:
            _ = self.client, self.waiting_client if self._poll_s else None
        except ImportError as error:
            raise SettingsError(f"AWS needs botocore: pip install 'twolane[aws]' ({error})") from None
        except Exception as error:  # noqa: BLE001  (botocore's have no root but this)
            raise SettingsError(str(explained(error, f"opening {self.name}"))) from None

    def call(self, operation: str, what: str, *, waiting: bool = False, **arguments: Any) -> Any:
        """Make a call, in this thread.

        Args:
            operation: botocore's name for it.
            what: the same for people.
            waiting: it waits at AWS.
            **arguments: the call's.

        Raises:
            AwsError: it did not succeed.
        """
        _attempts.earlier_sent = False
        try:
            return self.call_plainly(operation, waiting=waiting, **arguments)
        except Exception as error:
            raise explained(error, what, attempts_sent=_attempts.earlier_sent) from error

    def call_plainly(self, operation: str, *, waiting: bool = False, **arguments: Any) -> Any:
        """As `call`; raises what botocore raises."""
        client = self.waiting_client if waiting else self.client
        with self._computing:
            return getattr(client, operation)(**arguments)

    def side_by_side(self, jobs: Iterable[Callable[[], A]]) -> list[A]:
        """Run jobs in the pool and wait for all; answers in the same order. A job's error is raised at the end."""
        waiting = list(jobs)
        if len(waiting) <= 1:
            return [job() for job in waiting]
        futures: list[Future[A]] = [self.submit(job) for job in waiting]
        errors = [future.exception() for future in futures]
        for error in errors:
            if error is not None:
                raise error
        return [future.result() for future in futures]

    def submit(self, job: Callable[[], A]) -> Future[A]:
        """Run a job in the pool."""
        with self._guard:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix=f"twolane-{self.name}")
            return self._pool.submit(job)

    def close(self) -> None:
        """End the pool when its jobs are done, and close the connections."""
        with self._guard:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown()
        for name in ("client", "waiting_client"):
            client = self.__dict__.pop(name, None)
            if client is not None:
                client.close()

    def _client(self, read_s: float, attempts: int) -> Any:
        with _one_at_a_time:
            return self._made(read_s, attempts)

    def _made(self, read_s: float, attempts: int) -> Any:
        from botocore.config import Config

        if self._session is None:
            self._session = new_session()
        session = self._session
        config = Config(
            connect_timeout=CONNECT_S,
            read_timeout=read_s,
            retries={"mode": "standard", "total_max_attempts": attempts},
            max_pool_connections=self._threads,
            user_agent=_user_agent(session),
            parameter_validation=False,  # what is asked is made here, and checking it takes a fifth of a call's CPU
            **(_of_s3(self._endpoint_url) if self.name == "s3" else {}),
        )
        client: Any = session.create_client(self.name, config=config, endpoint_url=self._endpoint_url)
        client.meta.events.register(f"needs-retry.{self.name}", _note_attempt)
        client.meta.events.register(f"before-send.{self.name}", self._computing.leave)
        return client


_one_at_a_time = threading.Lock()
"""A session of botocore's makes its clients in one thread at a time."""


def new_session() -> Any:
    """A session of botocore's, as the environment says.

    AWS's descriptions of its services are read once a process: reading them is most of what the first call waits for.
    """
    from botocore.session import Session

    session: Any = Session()
    session.register_component("data_loader", descriptions(session.get_config_variable("data_path")))
    return session


@cache
def descriptions(places: str | None) -> Any:
    """AWS's descriptions of its services: botocore's own, and those in other places. A service's are read when it is asked for."""
    import botocore.loaders

    loaders: Any = botocore.loaders
    return loaders.create_loader(places)


def _user_agent(session: Any) -> str:
    """Who calls. Put together here once: botocore does it anew twice a call, which is a seventh of a call's CPU."""
    app = session.get_config_variable("user_agent_appid")
    return " ".join([session.user_agent(), "twolane", *([f"app/{app}"] if app else [])])


def endpoint_of_s3(given: str | None = None) -> str | None:
    """Where S3 is, if it is somewhere else than usual."""
    return given or os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or None


def _of_s3(endpoint_url: str | None) -> dict[str, Any]:
    """Forms are signed as every region takes it, and name the region, since S3 redirects what is posted elsewhere.

    Another server than AWS's has its buckets in the path.
    """
    style = "path" if endpoint_of_s3(endpoint_url) else "virtual"
    return {"signature_version": "s3v4", "s3": {"addressing_style": style}}


class _Attempts(threading.local):
    earlier_sent = False


_attempts = _Attempts()


def _note_attempt(**event: Any) -> None:
    """Between two attempts of a call: could the one that just failed have reached AWS?"""
    error, response = event.get("caught_exception"), event.get("response")
    if error is not None:
        _attempts.earlier_sent |= type(error).__name__ not in _NOTHING_SENT
    elif response is not None:
        _attempts.earlier_sent |= response[0].status_code >= 500  # noqa: PLR2004  (a server's error)


class Outage:
    """One log line a minute while something does not work, and one when it works again.

    Args:
        what: what does not work, for people.
        clock: seconds that never go back.
    """

    def __init__(self, what: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._what = what
        self._clock = clock
        self._guard = threading.Lock()
        self._since: float | None = None
        self._said_at = 0.0
        self._failures = 0

    def failed(self, error: Exception) -> None:
        """It did not work."""
        with self._guard:
            now = self._clock()
            self._failures += 1
            if self._since is None:
                self._since = now
            elif now - self._said_at < SAY_EVERY_S:
                return
            self._said_at = now
            log.warning(
                "%s does not work since %.0f s (%d failure(s), the last: %s); it is tried again until it does",
                self._what, now - self._since, self._failures, error,
            )  # fmt: skip

    def worked(self) -> None:
        """It worked."""
        with self._guard:
            if self._since is None:
                return
            log.warning("%s works again after %.0f s", self._what, self._clock() - self._since)
            self._since, self._failures = None, 0
