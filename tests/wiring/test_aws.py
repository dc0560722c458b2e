"""Beside SQS: what must be written out, and what it becomes."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.aws.faults import fail
from tests.aws.places import Place, service
from tests.aws.proxy import proxy
from tests.aws.servers import Server
from twolane import Tasks
from twolane.backends.dynamodb import DynamoState
from twolane.backends.s3 import Bucket, S3Blobs
from twolane.backends.sqs import Address, SqsQueue, StatelessSqsQueue
from twolane.cli.commands import app
from twolane.values.errors import DefinitionError, QueueError, SendRefused, SettingsError
from twolane.wiring.clock import SystemClock
from twolane.wiring.opening import make_runtime, open_stores
from twolane.wiring.settings import Settings, read_settings

ALL = {
    "TWOLANE_QUEUE": "sqs://shop-*",
    "TWOLANE_BLOBS": "s3://uploads/shop",
    "TWOLANE_STATE": "dynamodb://shop",
    "TWOLANE_ALERTS": "log",
}


def without(name: str) -> dict[str, str]:
    return {each: value for each, value in ALL.items() if each != name}


@pytest.fixture(autouse=True)
def region(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "AWS_REGION": "eu-central-1",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
    }.items():
        monkeypatch.setenv(name, value)


def test_four_variables_are_all_it_takes() -> None:
    settings = read_settings(environment=ALL)

    assert settings.queue == Address("shop-*")
    assert settings.blobs == Bucket("uploads", "shop")
    assert settings.state == "shop"
    assert settings.address == "sqs://shop-*"
    assert settings.worker == "off", "a worker is a container or a function there"


def test_a_queue_without_a_state_says_what_is_missing() -> None:
    with pytest.raises(
        SettingsError, match=r"TWOLANE_STATE=dynamodb://TABLE.*do without: status and progress"
    ):
        read_settings(environment=without("TWOLANE_STATE"))


@pytest.mark.parametrize("written", ["in code", "in the environment"])
def test_none_must_be_written_out_and_is_said_loudly(written: str, caplog: pytest.LogCaptureFixture) -> None:
    if written == "in code":
        settings = read_settings(state="none", environment=without("TWOLANE_STATE"))
    else:
        settings = read_settings(environment=ALL | {"TWOLANE_STATE": "none"})

    stores = open_stores(settings)

    assert isinstance(stores.queue, StatelessSqsQueue)
    [said] = [each.message for each in caplog.records if each.levelno == logging.WARNING]
    assert said.startswith("THERE IS NO STATE STORE")
    for missing in (
        "status",
        "cancellation",
        "checkpoints",
        "unique keys",
        "fencing",
        "dead letters",
        "the watch",
        "alerts",
    ):
        assert missing in said
    stores.queue.close()


@pytest.mark.parametrize(
    "state", ["dynamodb://", "dynamodb://a", "postgres://x", "dynamodb://table/x", "table"]
)
def test_a_state_that_is_no_table_is_refused(state: str) -> None:
    with pytest.raises(SettingsError, match="TWOLANE_STATE takes dynamodb://TABLE or none"):
        read_settings(environment=ALL | {"TWOLANE_STATE": state})


def test_nobody_watches_without_a_state_store() -> None:
    settings = read_settings(environment=ALL | {"TWOLANE_STATE": "none", "TWOLANE_WATCH": "on"})

    assert not settings.watches
    assert "nothing can be watched" in settings.sources["watches"]
    assert read_settings(environment=ALL).watches


def test_the_watch_command_says_that_there_is_nothing_to_watch(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (ALL | {"TWOLANE_STATE": "none"}).items():
        monkeypatch.setenv(name, value)

    told = CliRunner().invoke(app, ["watch"])

    assert isinstance(told.exception, SettingsError)
    assert "set TWOLANE_STATE=dynamodb://TABLE" in str(told.exception)


def test_a_sqlite_queue_keeps_its_state_itself() -> None:
    with pytest.raises(SettingsError, match="TWOLANE_STATE is for SQS"):
        read_settings(environment={"TWOLANE_QUEUE": "sqlite:////q.db", "TWOLANE_STATE": "dynamodb://shop"})


def test_a_sqlite_queue_may_keep_its_blobs_in_a_bucket() -> None:
    settings = read_settings(
        environment={"TWOLANE_QUEUE": "sqlite:////q.db", "TWOLANE_BLOBS": "s3://uploads"}
    )

    assert (settings.queue, settings.blobs) == (Path("/q.db"), Bucket("uploads"))
    assert settings.worker == "in_app"


def test_uploads_need_a_place() -> None:
    with pytest.raises(SettingsError, match=r"set TWOLANE_BLOBS=s3://BUCKET/PREFIX"):
        read_settings(environment=without("TWOLANE_BLOBS"))


def test_a_process_whose_tasks_die_must_say_who_is_told() -> None:
    settings = read_settings(environment=without("TWOLANE_ALERTS"))
    runtime = make_runtime(Tasks().registry, settings)

    with pytest.raises(SettingsError, match=r'TWOLANE_ALERTS.*Tasks\(alerts="log"\)'):
        _ = runtime.stores

    assert read_settings(alerts="log", environment=without("TWOLANE_ALERTS")).alerts_said
    assert read_settings(alerts=["json://a"], environment=without("TWOLANE_ALERTS")).alerts == ("json://a",)


def test_the_command_line_reads_a_queue_without_saying_who_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[Settings] = []
    monkeypatch.setattr(SqsQueue, "start", lambda _: opened.append(settings))
    settings = read_settings(environment=without("TWOLANE_ALERTS"))

    stores = open_stores(settings, create=False)

    assert opened
    assert isinstance(stores.blobs, S3Blobs)
    stores.queue.close()


def test_a_worker_looks_every_20_s_beside_its_long_polls() -> None:
    assert make_runtime(Tasks().registry, read_settings(environment=ALL)).limits.poll_s == 20


def test_a_region_that_is_missing_is_told_at_start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))

    with pytest.raises(SettingsError, match="no AWS region is set: set AWS_REGION"):
        open_stores(read_settings(environment=ALL))


def test_a_file_is_asked_for_in_vain() -> None:
    with pytest.raises(
        SettingsError, match=r"needs a queue in a SQLite file, and TWOLANE_QUEUE is sqs://shop-\*"
    ):
        _ = read_settings(environment=ALL).file


def test_a_task_that_may_take_longer_than_sqs_hides_a_message_is_refused_at_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """For what was defined before anybody had said where the queue is."""
    monkeypatch.delenv("TWOLANE_QUEUE", raising=False)
    tasks = Tasks()

    @tasks.task(if_lost="alert", timeout_s=12 * 3600 + 1)
    def endless() -> None: ...

    for name, value in ALL.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(SqsQueue, "start", lambda _: None)
    with pytest.raises(
        DefinitionError, match=r"endless has timeout_s=43201, .* sqs://shop-\* .*43200 s \(12 h\)"
    ):
        asyncio.run(tasks.runtime.start())
    tasks.close()


@pytest.mark.parametrize(
    ("in_code", "in_environment"),
    [
        ("sqs://shop", ""),
        (None, "sqs://shop-*"),
        ("sqlite:////queue.db", "https://sqs.eu-west-1.amazonaws.com/1/shop"),
    ],
)
def test_it_is_refused_at_its_definition_where_the_queue_is_known_by_then(
    monkeypatch: pytest.MonkeyPatch, in_code: str | None, in_environment: str
) -> None:
    monkeypatch.setenv("TWOLANE_QUEUE", in_environment)
    tasks = Tasks(queue=in_code)

    def endless() -> None: ...

    with pytest.raises(
        DefinitionError, match=r"endless has timeout_s=43201, .* (sqs|https)://.*43200 s \(12 h\)"
    ):
        tasks.task(if_lost="alert", timeout_s=12 * 3600 + 1)(endless)
    assert not tasks.registry.queue_tasks()
    tasks.task(if_lost="alert", timeout_s=12 * 3600)(endless)


@pytest.mark.parametrize(("in_code", "in_environment"), [(None, ""), ("sqs://shop", "sqlite:////queue.db")])
def test_a_file_holds_a_task_for_as_long_as_it_takes(
    monkeypatch: pytest.MonkeyPatch, in_code: str | None, in_environment: str
) -> None:
    monkeypatch.setenv("TWOLANE_QUEUE", in_environment)

    @Tasks(queue=in_code).task(if_lost="alert", timeout_s=24 * 3600)
    def endless() -> None: ...


def test_settings_that_were_read_say_where_the_queue_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable that is set later moves no queue, and so refuses no task."""
    monkeypatch.setenv("TWOLANE_QUEUE", "sqlite:////queue.db")
    tasks = Tasks()
    assert tasks.settings.file
    monkeypatch.setenv("TWOLANE_QUEUE", "sqs://shop")

    @tasks.task(if_lost="alert", timeout_s=24 * 3600)
    def endless() -> None: ...


def test_a_table_without_its_index_is_told_at_start(aws: Server) -> None:
    place = Place(aws)
    bare = f"{place.name}-bare"
    key = {"AttributeName": "pk", "KeyType": "HASH"}
    there = service("dynamodb", aws)
    there.client.create_table(
        TableName=bare,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[key],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
    )
    queue = SqsQueue(place.address, DynamoState(bare, there), clock=SystemClock(), service=place.sqs)

    with pytest.raises(QueueError, match=r"reading table .*-bare failed.*index: shelves"):
        queue.start()

    queue.close()
    place.close()


@pytest.mark.parametrize("blocking", [False, True], ids=["awaited", "blocking"])
def test_a_send_for_which_the_queue_cannot_be_opened_is_refused_and_may_be_made_again(
    aws: Server, monkeypatch: pytest.MonkeyPatch, *, blocking: bool
) -> None:
    place, message_id = Place(aws), "019aac3b-9c00-7d4e-8a51-3f2b6c7d8e9f"
    with proxy(aws) as between:
        said = {
            "TWOLANE_QUEUE": f"{place.address}",
            "TWOLANE_STATE": f"dynamodb://{place.name}",
            "TWOLANE_BLOBS": "s3://no-blobs",
            "TWOLANE_ALERTS": "log",
        }
        for name, value in (between.server.environment | said).items():
            monkeypatch.setenv(name, value)
        tasks = Tasks()

        @tasks.task(if_lost="alert")
        def work() -> None: ...

        def send() -> str:
            once = work.options(id=message_id)
            return (tasks.send_blocking(once) if blocking else asyncio.run(tasks.send(once))).id

        between.faults["Query"] = fail(400, "AccessDeniedException")
        with pytest.raises(
            SendRefused, match=r"reading table .* failed: .*policy.*; nothing was stored"
        ) as refused:
            send()
        assert refused.value.ids == (message_id,)

        between.faults.clear()
        assert send() == message_id
        tasks.close()
    place.close()
