"""What networks and overloaded services do to a request: one thing at will, or by a seed whatever comes."""

from __future__ import annotations

import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

Fault = Callable[["Exchange"], None]
"""Does something to an exchange, or nothing."""


class Dropped(Exception):
    """The connection ends without an answer."""


@dataclass(frozen=True)
class Answer:
    """What a client gets.

    Attributes:
        status: of HTTP.
        body: as it is sent.
        headers: but for the length.
        length: what is said of the body's length; None: the truth. More than there is: the connection ends early.
    """

    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...] = (("Content-Type", "application/x-amz-json-1.0"),)
    length: int | None = None


@dataclass
class Exchange:
    """One request on its way.

    Attributes:
        operation: such as `SendMessageBatch`; of S3 and other services without such a name `PUT object` and so on.
        service: such as `AmazonSQS` or `DynamoDB_20120810`; empty: it goes by paths, as S3 does.
        body: what was asked.
        forward: brings a body to the server, as often as it is called.
        answer: what the client gets; None: what the server says.
    """

    operation: str
    service: str
    body: bytes
    forward: Callable[[bytes], Answer]
    answer: Answer | None = None


def drop_before(exchange: Exchange) -> None:
    """The request never arrives."""
    raise Dropped


def drop_after(exchange: Exchange) -> None:
    """It is carried out, and its answer is lost."""
    exchange.forward(exchange.body)
    raise Dropped


def duplicate(exchange: Exchange) -> None:
    """It arrives twice, and the second answer is the one that comes back."""
    exchange.forward(exchange.body)
    exchange.answer = exchange.forward(exchange.body)


def cut(exchange: Exchange) -> None:
    """It is carried out, and its answer ends in the middle: botocore takes what it cannot read for a success."""
    answer = exchange.forward(exchange.body)
    exchange.answer = replace(answer, body=answer.body[: len(answer.body) // 2])


def cut_off(exchange: Exchange) -> None:
    """As `cut`, and the connection ends there, so that the client can know."""
    answer = exchange.forward(exchange.body)
    exchange.answer = replace(answer, body=answer.body[: len(answer.body) // 2], length=len(answer.body))


def fail(status: int, code: str, *, times: int | None = None) -> Fault:
    """AWS answers with an error, so many times; None: always."""
    left = [times]

    def fault(exchange: Exchange) -> None:
        if left[0] == 0:
            return
        if left[0] is not None:
            left[0] -= 1
        exchange.answer = error(exchange, status, code)

    return fault


def error(exchange: Exchange, status: int, code: str) -> Answer:
    """AWS's own way to say no, of this service."""
    if not exchange.service:
        body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>a test</Message></Error>"
        return Answer(status, body.encode(), (("Content-Type", "application/xml"),))
    body = json.dumps({"__type": f"com.amazonaws#{code}", "message": "a test"})
    return Answer(status, body.encode())


def throttle(exchange: Exchange) -> None:
    """It comes too soon."""
    if exchange.service == "AmazonSQS":
        exchange.answer = error(exchange, 400, "RequestThrottled")
    elif exchange.service:
        exchange.answer = error(exchange, 400, "ThrottlingException")
    else:
        exchange.answer = error(exchange, 503, "SlowDown")


def change(edit: Callable[[dict[str, Any]], None]) -> Fault:
    """It is carried out, and the answer is another."""

    def fault(exchange: Exchange) -> None:
        told = exchange.forward(exchange.body)
        answer = json.loads(told.body)
        edit(answer)
        exchange.answer = replace(told, body=json.dumps(answer).encode())

    return fault


def delay(seconds: float) -> Fault:
    """It is answered as it should be, that much later."""

    def fault(exchange: Exchange) -> None:
        time.sleep(seconds)

    return fault


def refuse_some(which: Callable[[int], bool]) -> Fault:
    """SQS takes a batch but for some of its entries: those it could not take just now."""

    def fault(exchange: Exchange) -> None:
        asked = json.loads(exchange.body)
        entries: list[dict[str, Any]] = asked.get("Entries", [])
        refused = [entry for number, entry in enumerate(entries) if which(number)]
        if not refused:
            return
        asked["Entries"] = [entry for entry in entries if entry not in refused]
        answer: dict[str, Any] = {"Successful": []}
        if asked["Entries"]:
            answer = json.loads(exchange.forward(json.dumps(asked).encode()).body)
        failed = [{"Id": entry["Id"], "Code": "InternalError", "SenderFault": False} for entry in refused]
        answer["Failed"] = [*answer.get("Failed", []), *failed]
        exchange.answer = Answer(200, json.dumps(answer).encode())

    return fault


class TwelveHours:
    """SQS's own rule, which no local server keeps: a message is hidden for 12 hours in all since it was received.

    Args:
        now: the server's time, in seconds.

    Attributes:
        received: when each receipt handle was handed out.
        refused: the visibilities that were refused, in seconds.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self.received: dict[str, float] = {}
        self.refused: list[int] = []

    def faults(self) -> dict[str, Fault]:
        """What it does, by operation."""
        return {"ReceiveMessage": self._receive, "ChangeMessageVisibilityBatch": self._change}

    def _receive(self, exchange: Exchange) -> None:
        exchange.answer = exchange.forward(exchange.body)
        for message in json.loads(exchange.answer.body).get("Messages") or ():
            self.received[message["ReceiptHandle"]] = self._now()

    def _change(self, exchange: Exchange) -> None:
        asked = json.loads(exchange.body)
        too_long = [entry for entry in asked["Entries"] if self._is_too_long(entry)]
        asked["Entries"] = [entry for entry in asked["Entries"] if entry not in too_long]
        answer: dict[str, Any] = {"Successful": []}
        if asked["Entries"]:
            answer = json.loads(exchange.forward(json.dumps(asked).encode()).body)
        self.refused += [entry["VisibilityTimeout"] for entry in too_long]
        answer["Failed"] = [*answer.get("Failed", []), *[_too_long(entry) for entry in too_long]]
        exchange.answer = Answer(200, json.dumps(answer).encode())

    def _is_too_long(self, entry: dict[str, Any]) -> bool:
        """By a second for the way: a request takes a moment, also where a test's clock stands still."""
        passed_s = self._now() - self.received[entry["ReceiptHandle"]] + 1
        return bool(passed_s + entry["VisibilityTimeout"] > MOST_HIDDEN_S and entry["VisibilityTimeout"])


MOST_HIDDEN_S = 43_200


def _too_long(entry: dict[str, Any]) -> dict[str, Any]:
    seconds = entry["VisibilityTimeout"]
    told = (
        f"Value {seconds} for parameter VisibilityTimeout is invalid. Reason: Total VisibilityTimeout for the message "
        f"is beyond the limit [{MOST_HIDDEN_S} seconds]."
    )
    return {"Id": entry["Id"], "Code": "InvalidParameterValue", "SenderFault": True, "Message": told}


@dataclass(frozen=True)
class Chances:
    """How likely each misdeed is for one request, from 0 to 1; at most one befalls it.

    Attributes:
        drop_before: it never arrives.
        drop_after: it is carried out, and the answer is lost.
        duplicate: it arrives twice.
        delay: it is late, by up to `longest_delay_s` seconds.
        throttle: it is refused because it comes too soon.
        fail: the service answers 500 or 503, and has done it or not.
        cut: its answer ends in the middle, seen or unseen.
        refuse_some: of a batch to SQS some entries fail.
    """

    drop_before: float = 0.0
    drop_after: float = 0.0
    duplicate: float = 0.0
    delay: float = 0.0
    throttle: float = 0.0
    fail: float = 0.0
    cut: float = 0.0
    refuse_some: float = 0.0
    longest_delay_s: float = 0.2

    @classmethod
    def all(cls, chance: float, **others: float) -> Chances:
        """Every misdeed as likely as any other."""
        names = [name for name in asdict(cls()) if name != "longest_delay_s"]
        return cls(**{**dict.fromkeys(names, chance), **others})


@dataclass
class Weather:
    """Befalls requests by a seed: the n-th request of an operation always has the same fate.

    Attributes:
        seed: which weather.
        chances: how bad.
        only: the operations that it befalls; empty: all.
        dealt: what befell how many requests, by operation and misdeed.
    """

    seed: int | str
    chances: Chances
    only: frozenset[str] = frozenset()
    dealt: Counter[str] = field(default_factory=Counter[str])
    _asked: Counter[str] = field(default_factory=Counter[str])
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, exchange: Exchange) -> None:
        """Do what is fated."""
        if self.only and exchange.operation not in self.only:
            return
        with self._guard:
            self._asked[exchange.operation] += 1
            dice = random.Random(f"{self.seed}/{exchange.operation}/{self._asked[exchange.operation]}")
        name = self.fate(dice, batch=exchange.operation.endswith("MessageBatch"))
        if name is None:
            return
        with self._guard:
            self.dealt[f"{exchange.operation} {name}"] += 1
        self._do(name, dice, exchange)

    def fate(self, dice: random.Random, *, batch: bool) -> str | None:
        """Which misdeed; None: none. Only a batch can be refused in part."""
        roll = dice.random()
        for name, chance in asdict(self.chances).items():
            if name == "longest_delay_s" or (name == "refuse_some" and not batch):
                continue
            if roll < chance:
                return name
            roll -= chance
        return None

    def _do(self, name: str, dice: random.Random, exchange: Exchange) -> None:
        if name == "delay":
            delay(dice.uniform(0, self.chances.longest_delay_s))(exchange)
        elif name == "fail":
            if dice.random() < 0.5:
                exchange.forward(exchange.body)
            status, code = dice.choice([(500, "InternalFailure"), (503, "ServiceUnavailable")])
            fail(status, code)(exchange)
        elif name == "cut":
            dice.choice([cut, cut_off])(exchange)
        elif name == "refuse_some":
            refuse_some(lambda _: dice.random() < 0.5)(exchange)
        else:
            PLAIN[name](exchange)


PLAIN: Mapping[str, Fault] = {
    "drop_before": drop_before,
    "drop_after": drop_after,
    "duplicate": duplicate,
    "throttle": throttle,
}
