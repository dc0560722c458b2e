"""The demo on AWS: `python -m tests.aws.demo`, which is `make demo AWS=1`.

The story of `twolane demo`, played elsewhere: SQS, S3 and DynamoDB are MiniStack, the workers are Lambda functions, each a
process of the real `awslambdaric`, fed by an event source. A kill takes such a process away in the middle of an
invocation; its message comes back when SQS has hidden it for long enough.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import typer

from tests.aws.event_source import event_source
from tests.aws.places import Place as Cloud
from tests.aws.places import bucket
from tests.aws.runtime_api import Function, Settings, function
from tests.aws.servers import Server, Servers, owned
from twolane.cli.demo import run
from twolane.cli.demo.accounts import Death, Deaths
from twolane.cli.demo.example import TARGET
from twolane.cli.demo.place import Place
from twolane.cli.demo.processes import Processes
from twolane.cli.demonstration import AsJson, Csv, Keep, Seed
from twolane.contracts.records import Records
from twolane.values.outcome import Reason

VISIBILITY_S = 8
"""SQS hides a message for so long. So much later what a killed function ran is run again; AWS advises six times the
function's time-out, which is right for those who need not wait for the end of a demo."""
TIMEOUT_S = 8.0
START_S = 60.0
AT_A_TIME = 5
DEATHS: Deaths = (
    ("", Reason.UNREADABLE),
    ("always_raises", Reason.ATTEMPTS_EXHAUSTED),
    ("kills_its_process", Reason.USED_UP),
)
"""As on one machine, but that SQS cannot tell who killed the process."""
CODE = f"""import twolane.aws_lambda

handler = twolane.aws_lambda.handler({TARGET!r})
"""


@dataclass(frozen=True)
class OnAws:
    """SQS, DynamoDB and S3 on this machine, and Lambda functions."""

    server: Server
    cloud: Cloud
    blobs: str
    folder: Path
    stack: ExitStack
    functions: list[Function]
    deaths: Deaths = DEATHS
    look_every_s: float = 0.02

    @property
    def environment(self) -> Mapping[str, str]:
        return {
            **self.server.environment,
            "TWOLANE_QUEUE": f"{self.cloud.address}",
            "TWOLANE_STATE": f"dynamodb://{self.cloud.name}",
            "TWOLANE_BLOBS": self.blobs,
            "TWOLANE_ALERTS": "log",
            "TWOLANE_WORKER": "off",
        }

    def start_workers(self, processes: Processes, example: Path, environment: Mapping[str, str]) -> None:
        code = self.folder / "function"
        code.mkdir()
        (code / "worker.py").write_text(CODE)
        told = {
            name: value
            for name, value in environment.items()
            if name.startswith(("TWOLANE_", "FLIGHTS_", "AWS_"))
        }
        settings = Settings(
            "worker.handler", code, {**told, "PYTHONPATH": str(example)}, timeout_s=TIMEOUT_S, init_s=START_S
        )
        made = self.stack.enter_context(function(settings, processes.log("worker")))
        self.functions.append(made)
        self.stack.enter_context(
            # one message a batch: a task that kills its process takes no neighbour with it
            event_source(
                made,
                self.cloud.sqs.client,
                self.cloud.urls["default"],
                batch_size=1,
                max_concurrency=AT_A_TIME,
            )
        )

    def worker_pid(self, records: Records) -> int | None:
        """The function that runs the import: nothing else runs before the last kill."""
        del records
        return next((sandbox.process.pid for made in self.functions for sandbox in made.busy), None)

    def introduced(self, processes: Processes, records: Records) -> str:
        del processes, records
        return f"its workers are Lambda functions, {AT_A_TIME} at a time; AWS is {self.server.url}"

    def left(self, deaths: Sequence[Death]) -> list[str]:
        cloud = self.cloud
        counts = cloud.counts("default").items()
        found = [f"SQS still has {count} message(s) {where}" for where, count in counts if count]
        copies = {copy.get("dead", {}).get("id") for copy in cloud.dead_letters("default")}
        ids = {death.id for death in deaths}
        if copies != ids:
            found.append(
                f"the dead-letter queue has copies of {sorted(map(str, copies))}, dead are {sorted(ids)}"
            )
        return found


@contextmanager
def on_aws(folder: Path) -> Generator[Place]:
    """A place on a local AWS of its own."""
    with ExitStack() as stack:
        server = Servers(stack.enter_context(owned())).ministack()
        cloud = Cloud(server, visibility_s=VISIBILITY_S)
        blobs = str(bucket(server).bucket)
        stack.enter_context(patch.dict(os.environ, server.environment))  # we look at the queue, too
        yield OnAws(server, cloud, blobs, folder, stack, [])


def main(csv: Csv = None, seed: Seed = None, as_json: AsJson = False, keep: Keep = False) -> None:
    """Import a 10 MB CSV on a local AWS while its Lambda function is killed three times; account for every row.

    Exit codes: 0 nothing was lost, 1 something is unaccounted for.
    """
    raise typer.Exit(run(csv=csv, seed=seed, as_json=as_json, keep=keep, place=on_aws))


if __name__ == "__main__":
    typer.run(main)
