"""Opening the backends: where a queue may lie is judged before anything is made."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest

from twolane import Tasks
from twolane.backends.sqlite import place
from twolane.values.errors import SettingsError
from twolane.wiring import opening
from twolane.wiring.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(tmp_path / "q.db", tmp_path / "blobs", "in_app", sources={"queue": "a test"})


def lies_on(monkeypatch: pytest.MonkeyPatch, kind: place.Kind) -> None:
    found = place.Place(kind, "fs", "/", f"q.db lies on a place of kind {kind}")
    monkeypatch.setattr(place, "place_of", lambda _path, _environment: found)


@pytest.mark.parametrize("kind", ["network", "lambda"])
def test_a_queue_on_a_network_or_in_lambda_is_refused(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, kind: place.Kind
) -> None:
    lies_on(monkeypatch, kind)

    with pytest.raises(SettingsError, match=f"q.db lies on a place of kind {kind}"):
        opening.open_stores(settings)
    assert not list(settings.queue.parent.iterdir())


def test_a_queue_that_dies_with_its_container_is_said_loudly(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    lies_on(monkeypatch, "dies_with_container")

    opening.open_stores(settings)

    (said,) = [each for each in caplog.records if each.levelno == logging.WARNING]
    assert said.message.startswith("THE QUEUE WILL NOT LAST: q.db lies on")


def test_every_process_logs_the_absolute_path(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "twolane.queue")

    opening.open_stores(settings)

    assert f"the queue is {settings.queue} (from a test)" in caplog.text


def test_a_lambda_is_told_by_its_environment(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "f")

    with pytest.raises(SettingsError, match=r"no queue can be there: .* is in the Lambda function"):
        opening.open_stores(settings)


def test_a_process_without_a_worker_hears_at_start_of_a_place_that_cannot_be(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    lies_on(monkeypatch, "network")
    tasks = Tasks(queue=f"sqlite:///{settings.queue}", worker="off")

    @tasks.task(if_lost="alert")
    def stored() -> None: ...

    with pytest.raises(SettingsError, match="lies on a place of kind network"):
        asyncio.run(tasks.runtime.start())


def test_an_app_with_the_background_lane_only_opens_nothing(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    lies_on(monkeypatch, "network")
    tasks = Tasks(queue=f"sqlite:///{settings.queue}")

    @tasks.task(if_lost="ignore")
    def fine_to_lose() -> None: ...

    async def live() -> None:
        await tasks.runtime.start()
        await tasks.runtime.stop(0)

    asyncio.run(live())

    assert not list(settings.queue.parent.iterdir())
