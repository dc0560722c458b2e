"""The handler for a schedule, in a real runtime client of Lambda and beside it, on a local AWS."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import twolane.aws_lambda
from tests.aws.places import Place, TurnedClock, bucket
from tests.aws.runtime_api import Settings, function
from tests.aws.servers import Server
from tests.clock import FakeClock
from tests.contract.house import FAILURE, House, InAws
from twolane.aws_lambda.metrics import METRICS, line_of
from twolane.aws_lambda.sweeping import Sweep
from twolane.backends.sqs.gauges import LAG_S
from twolane.contracts.queue import DeadLetterDelivery
from twolane.contracts.sweeping import Gauge
from twolane.contracts.watch import LeadWatch, ObserveConditions
from twolane.values.condition import Kind, Phase, Standing
from twolane.values.errors import QueueError, SettingsError
from twolane.values.outcome import Reason
from twolane.values.record import State
from twolane.wiring.clock import SystemClock

APP = """
from pathlib import Path
from twolane import Tasks

tasks = Tasks(worker="off", alerts="log")

@tasks.task(if_lost="alert", name="load", queue="imports")
def load(number: int) -> None: ...

@tasks.on_death
def told(death) -> None:
    Path("{told}").write_text(death.id)
"""
ENVELOPE = '{"v":1,"id":"%s","task":"load","queue":"imports","args":{"number":1},"sent_at":1.0,"policy":{}}'


@dataclass
class Context:
    """What Lambda tells."""

    left_s: float = 60.0

    def get_remaining_time_in_millis(self) -> int:
        return int(self.left_s * 1000)


@dataclass
class Shop:
    """An app whose workers are functions."""

    folder: Path
    place: Place
    environment: dict[str, str]

    def moved_away(self, message_id: str) -> None:
        """SQS has moved a message to the dead-letter queue by itself."""
        url = self.place.sqs.client.get_queue_url(QueueName=f"{self.place.name}-imports-dead")["QueueUrl"]
        self.place.sqs.client.send_message(QueueUrl=url, MessageBody=ENVELOPE % message_id)

    @property
    def told(self) -> str:
        file = self.folder / "told"
        return file.read_text() if file.exists() else ""


@pytest.fixture
def shop(aws: Server, tmp_path: Path) -> Iterator[Shop]:
    place = Place(aws, queues=("default", "imports"))
    (tmp_path / "swept_app.py").write_text(APP.replace("{told}", str(tmp_path / "told")))
    (tmp_path / "swept_handler.py").write_text(
        'import twolane.aws_lambda\nsweep = twolane.aws_lambda.sweep("swept_app:tasks")\n'
    )
    environment = {
        **aws.environment,
        "TWOLANE_QUEUE": f"sqs://{place.name}-*",
        "TWOLANE_STATE": f"dynamodb://{place.name}",
        "TWOLANE_BLOBS": str(bucket(aws).bucket),
    }
    yield Shop(tmp_path, place, environment)
    place.close()


@pytest.fixture
def sweep(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sweep]:
    """The handler in this process, which is a function's: it watches and tells nothing by itself."""
    for name, value in shop.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "sweep")
    monkeypatch.syspath_prepend(str(shop.folder))
    monkeypatch.chdir(shop.folder)
    made = twolane.aws_lambda.sweep("swept_app:tasks")
    yield made
    made.close()
    sys.modules.pop("swept_app", None)


@pytest.fixture
def an_hour_ago(shop: Shop) -> Iterator[House]:
    """The same queue, for who wrote its rows an hour ago."""
    clock = FakeClock(SystemClock().now() - 3600)
    made = House(InAws(shop.place, clock), clock)
    yield made
    made.queue.close()
    made.records.close()  # type: ignore[attr-defined]


def metrics_in(text: str) -> dict[str, dict[str, Any]]:
    """The lines of the embedded metric format in a log, by queue; each must be one that CloudWatch reads."""
    found: dict[str, dict[str, Any]] = {}
    for line in text.splitlines():
        if line.startswith('{"_aws"'):
            check_embedded(line)
            has = json.loads(line)
            found[has["Queue"]] = has
    return found


def check_embedded(line: str) -> None:
    """The rules of the specification: docs.aws.amazon.com, CloudWatch_Embedded_Metric_Format_Specification."""
    assert len(line.encode()) <= 256 * 1024
    has = json.loads(line)
    assert has["_aws"].keys() == {"Timestamp", "CloudWatchMetrics"}
    assert type(has["_aws"]["Timestamp"]) is int
    assert 1_600_000_000_000 < has["_aws"]["Timestamp"] < 10_000_000_000_000  # milliseconds
    for directive in has["_aws"]["CloudWatchMetrics"]:
        assert directive.keys() == {"Namespace", "Dimensions", "Metrics"}
        assert 1 <= len(directive["Namespace"]) <= 255
        for dimensions in directive["Dimensions"]:
            assert len(dimensions) <= 30
            assert all(isinstance(has[name], str) and 1 <= len(has[name]) <= 1024 for name in dimensions)
        assert 1 <= len(directive["Metrics"]) <= 100
        for metric in directive["Metrics"]:
            assert metric.keys() == {"Name", "Unit"}
            assert metric["Unit"] in ("Count", "Seconds")
            assert isinstance(has[metric["Name"]], (int, float))


def test_a_real_runtime_sweeps_what_sqs_moved_away(shop: Shop) -> None:
    shop.moved_away("m1")
    source = str(Path(twolane.__file__).parents[1])
    environment = {**shop.environment, "PYTHONPATH": source}
    with function(
        Settings("swept_handler.sweep", shop.folder, environment=environment, timeout_s=60)
    ) as made:
        told = made.invoke({"source": "aws.events"})
        assert told.value["dead_letter_queues"] == {"buried": 1}, made.log
        assert told.value["blobs"] == {"parts": 16, "deleted": 0, "put_right": 0}, made.log
        assert told.value["alerts"] == {"owed": 0}
        assert shop.told == "m1"
        again = made.invoke({})
        assert again.value["dead_letter_queues"] == {"buried": 0}
        found = metrics_in(made.log)

    assert set(found) == {"default", "imports"}
    assert found["imports"]["DeadLetters"] == 1
    assert found["imports"]["Address"] == shop.environment["TWOLANE_QUEUE"]


def test_each_part_says_what_it_did(shop: Shop, sweep: Sweep, capsys: pytest.CaptureFixture[str]) -> None:
    told = sweep({}, Context())

    assert json.loads(json.dumps(told)) == told
    assert set(told) == {"leases", "dead_letter_queues", "watch", "metrics", "alerts", "blobs"}
    assert told["leases"] == {"freed": 0, "buried": 0}
    assert told["watch"] == {"leads": True}
    assert told["metrics"]["imports"] == {"deaths": 0, "backlog": 0}
    assert set(metrics_in(capsys.readouterr().out)) == {"default", "imports"}


def test_a_lease_of_a_worker_that_died_is_ended(shop: Shop, sweep: Sweep, an_hour_ago: House) -> None:
    waits = an_hour_ago.send(queue="imports", task="load", max_attempts=2)
    dies = an_hour_ago.send(queue="imports", task="load", max_attempts=1)
    assert {each.id for each in an_hour_ago.receive(queues=("imports",))} == {waits, dies}

    told = sweep({}, Context())

    assert an_hour_ago.state(waits) is State.WAITING
    assert an_hour_ago.state(dies) is State.DEAD
    assert shop.told == dies
    assert told["leases"] == {"freed": 1, "buried": 1}


def test_a_condition_that_lasts_is_told(
    sweep: Sweep, an_hour_ago: House, caplog: pytest.LogCaptureFixture
) -> None:
    an_hour_ago.send(queue="imports", task="load")
    an_hour_ago.clock.advance(3600 - 60)
    seen_at = an_hour_ago.clock.now()
    pending = Standing(Kind.TOO_OLD, "imports", Phase.PENDING, seen_at)
    assert an_hour_ago.do(LeadWatch("the sweep before", 30.0))
    assert an_hour_ago.do(ObserveConditions("the sweep before", 30.0, seen_at, (pending,)))

    assert sweep({}, Context())["alerts"] == {"owed": 0}

    standings = {each.name: each.phase for each in an_hour_ago.records.watch_state().standings}
    assert standings["too_old:imports"] is Phase.HOLDING
    said = "\n".join(each.getMessage() for each in caplog.records if each.name == "twolane.alert")
    assert "queue imports: a message has waited" in said


def test_a_part_that_fails_stops_no_other(
    shop: Shop, sweep: Sweep, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    shop.moved_away("m2")
    queue: Any = sweep._tasks.runtime.stores.queue

    def away(*_: Any) -> None:
        raise QueueError("SQS is away")

    monkeypatch.setattr(queue._sweeping, "sweep", away)
    monkeypatch.setattr(queue, "gauges", away)
    told = sweep({}, Context())

    assert told["dead_letter_queues"] == {"error": "QueueError: SQS is away"}
    assert told["metrics"] == {"error": "QueueError: SQS is away"}
    assert "error" not in told["blobs"]
    assert "part metrics failed; the others go on" in caplog.text
    monkeypatch.undo()
    for name, value in shop.environment.items():
        monkeypatch.setenv(name, value)
    assert sweep({}, Context())["dead_letter_queues"] == {"buried": 1}


def test_it_ends_before_its_time_does(sweep: Sweep, caplog: pytest.LogCaptureFixture) -> None:
    sweep({}, Context())
    told = sweep({}, Context(left_s=0.0))

    assert {each["error"] for each in told.values()} == {"no time was left"}
    assert "give the function a longer time-out" in caplog.text


def test_a_target_that_hangs_leaves_time_for_the_rest(
    shop: Shop, sweep: Sweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep({}, Context())
    informing = sweep._tasks.runtime.informing
    within: list[float] = []

    async def hang(within_s: float) -> None:
        within.append(within_s)

    monkeypatch.setattr(informing, "tell_owed", hang)
    sweep({}, Context(left_s=30.0))
    assert within[0] <= 15.0


def test_what_cannot_be_swept_is_refused(shop: Shop, sweep: Sweep, monkeypatch: pytest.MonkeyPatch) -> None:
    sys.modules.pop("swept_app", None)
    monkeypatch.setenv("TWOLANE_STATE", "none")
    with pytest.raises(SettingsError, match="without a state store there is nothing to sweep"):
        twolane.aws_lambda.sweep("swept_app:tasks")
    sys.modules.pop("swept_app", None)
    monkeypatch.delenv("TWOLANE_STATE")
    monkeypatch.setenv("TWOLANE_QUEUE", f"sqlite:///{shop.folder}/queue.db")
    with pytest.raises(SettingsError, match="set TWOLANE_QUEUE=sqs://NAME"):
        twolane.aws_lambda.sweep("swept_app:tasks")


def test_the_metrics_of_a_queue_are_a_line_that_cloudwatch_reads() -> None:
    line = line_of(Gauge("imports", 2, 3, 40, 1.5, 6), "sqs://shop-*", 1_800_000_000.5)

    check_embedded(line)
    has = json.loads(line)
    assert {name: has[name] for name in METRICS} == {
        "Deaths": 2, "DeadLetters": 3, "Backlog": 40, "AgeOfOldest": 1.5, "InFlight": 6,
    }  # fmt: skip
    assert has["_aws"]["Timestamp"] == 1_800_000_000_500
    with pytest.raises(ValueError, match="JSON"):
        line_of(Gauge("q", 0, 0, 0, float("nan"), 0), "a", 1.8e9)


def test_each_death_is_counted_once_and_the_age_is_that_of_the_longest_due(turned_aws: Server) -> None:
    clock = TurnedClock(turned_aws)
    place = Place(turned_aws)
    backend = InAws(place, clock)
    house = House(backend, clock)
    queue: Any = house.queue

    def gauge() -> Gauge:
        [only] = queue.gauges(["default"])
        assert isinstance(only, Gauge)
        return only

    assert gauge() == Gauge("default", 0, 0, 0, 0.0, 0)
    house.send()
    house.do(DeadLetterDelivery(house.take().receipt, Reason.GAVE_UP, FAILURE))
    house.send()
    house.send(delay_s=500)
    assert gauge().deaths == 0  # the index may lag behind
    clock.advance(LAG_S + 1)
    assert gauge() == Gauge("default", deaths=1, dead=1, backlog=2, oldest_s=LAG_S + 1, in_flight=0)
    clock.advance(LAG_S + 1)
    house.take()
    assert gauge() == Gauge("default", deaths=0, dead=1, backlog=1, oldest_s=0.0, in_flight=1)
    backend.close()
