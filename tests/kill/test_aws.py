"""Rounds on a local AWS: real SIGKILLs of worker processes and of Lambda functions, and a bad network by a seed."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import pytest

from tests.aws.faults import Chances, Weather
from tests.aws.proxy import proxy
from tests.aws.servers import Server
from tests.kill.aws_round import ProcessWorkers, Round, Workers, a_round
from tests.kill.test_kill import ROUNDS, SEED, STEPS
from twolane.backends.sqs import outbox, reaping

AT_ONCE = int(os.environ.get("TWOLANE_KILL_AT_ONCE", "5"))
"""So many rounds play side by side: they mostly wait for leases."""
MESSAGES = 24
BAD = 0.02
"""How likely each misdeed of the network is for each request; there are eight."""

Play = Callable[[Any, Path], dict[str, int]]


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a kill has left is looked for after a second, not after ten or an hour."""
    monkeypatch.setattr(reaping, "LOST_S", 0.0)
    monkeypatch.setattr(reaping, "UNSENT_S", 1.0)
    monkeypatch.setattr(outbox, "LATE_S", 1.0)


def side_by_side(play: Play, seeds: Sequence[Any], folder: Path) -> None:
    """Play some rounds; each that failed is named."""
    with ThreadPoolExecutor(len(seeds)) as pool:
        played = [pool.submit(play, seed, folder / str(seed)) for seed in seeds]
    failed = {seed: error for seed, each in zip(seeds, played, strict=True) if (error := each.exception())}
    for seed, each in zip(seeds, played, strict=True):
        print(f"{seed}: {failed.get(seed) or each.result()}")
    if failed:
        raise AssertionError(f"failed with {list(failed)}") from next(iter(failed.values()))


def seeds(first: int) -> range:
    """Those of the rounds that are played with this one."""
    return range(SEED + first, SEED + min(first + AT_ONCE, ROUNDS))


def working(this: Round, seed: int) -> AbstractContextManager[Workers]:
    """Worker processes and Lambda functions take turns."""
    if seed % 2:
        return this.lambdas()
    return nullcontext(ProcessWorkers(this, 1 + seed % 4 // 2))


@pytest.mark.parametrize("first", range(0, ROUNDS, AT_ONCE))
def test_random_kills_lose_nothing(first: int, aws: Server, tmp_path: Path) -> None:
    def play(seed: int, folder: Path) -> dict[str, int]:
        chance = random.Random(seed)
        with a_round(folder, aws, aws) as this, working(this, seed) as workers:
            client = this.start("client", MESSAGES)
            client_dies = chance.random() < 0.25
            for number in range(chance.choice((1, 2))):
                if client_dies and not number:
                    this.until_written("ledger", chance.randrange(1, MESSAGES))
                    this.kill(client)
                    continue
                this.until_written("effects", chance.randrange(1, MESSAGES // 2))
                time.sleep(chance.uniform(0, 0.3))  # the random moment of a kill
                workers.kill_one(chance)
                workers.keep_up()
            this.finish(workers, all_sent=not client_dies)
            return this.accounts()

    side_by_side(play, seeds(first), tmp_path)


@pytest.mark.parametrize("first", range(0, ROUNDS, AT_ONCE))
def test_a_bad_network_loses_nothing(first: int, aws: Server, tmp_path: Path) -> None:
    def play(seed: int, folder: Path) -> dict[str, int]:
        with proxy(aws) as between, a_round(folder, aws, between.server) as this:
            between.weather = Weather(seed, Chances.all(BAD))
            with working(this, seed) as workers:
                this.start("client", MESSAGES)
                this.finish(workers, all_sent=True)
            return this.accounts() | {"faults": between.weather.dealt.total()}

    side_by_side(play, seeds(first), tmp_path)


def test_a_kill_between_two_steps_of_a_delivery_loses_nothing(aws: Server, tmp_path: Path) -> None:
    def play(step: str, folder: Path) -> dict[str, int]:
        with a_round(folder, aws, aws) as this:
            this.start("client", MESSAGES)
            this.until_written("sent", 1)
            workers = ProcessWorkers(this, 0)
            for kills, number in enumerate((1, 3), 1):
                workers.start(step, number)
                this.until_written("killed", kills)
                workers.keep_up()
            this.finish(workers, all_sent=True)
            return this.accounts()

    side_by_side(play, STEPS, tmp_path)
