"""The ways to run the same work, each as its meters. What is assumed stands in docs/price.md, term by term."""

from __future__ import annotations

from fractions import Fraction

from twolane.price.calls import ENVELOPE_BYTES, ROW_BYTES, Calls, is_large, puts
from twolane.price.figures import FigureMissing, Figures
from twolane.price.load import Workload
from twolane.price.meters import ZERO, Meter, Quantity, Way
from twolane.price.services import (
    GB,
    LAMBDA_MEMORY,
    LONG_POLL_S,
    Services,
    fargate_size,
)
from twolane.price.units import MONTH_HOURS, MONTH_S

KEPT_MONTHS = Fraction(7 * 24, MONTH_HOURS)
"""Records and blobs are kept 7 days."""
SLOTS = 10
"""A worker runs so many tasks at a time."""
BUSY = Fraction(7, 10)
"""A worker is full at this part of its time: work does not come evenly."""
ALARMS = 3
"""The age of the oldest message, dead letters, failed invocations."""
SWEEPS = MONTH_HOURS * 12
"""The watch looks every five minutes, and takes what lies in the dead-letter queue."""
SINGLE = "-single"
"""At the end of the key of a way that makes a call for each message."""
SWEEP_GB_S = Fraction(1, 8)
"""One second with 128 MB."""
POSTGRES_GB = Fraction(20)
"""The least storage RDS sells for gp3."""


def ways(workload: Workload, figures: Figures, *, free: bool = True) -> tuple[list[Way], list[str]]:
    """Every way that can be priced, and a sentence for each that cannot.

    Args:
        workload: the work.
        figures: the prices of one region.
        free: whether the allowances that do not end after a year are taken off.
    """
    room = _Room(workload, Services(figures, free=free))
    found: list[Way] = []
    missing: list[str] = []
    for title, make in (
        ("background lane", room.background),
        ("SQLite on this server", room.sqlite),
        ("SQS + Lambda (arm), calls of ten", lambda: room.on_lambda("arm", together=True)),
        ("SQS + Lambda (arm), a call a message", lambda: room.on_lambda("arm", together=False)),
        ("SQS + Lambda (x86), calls of ten", lambda: room.on_lambda("x86", together=True)),
        ("SQS + Lambda (x86), a call a message", lambda: room.on_lambda("x86", together=False)),
        ("SQS + a Fargate worker", room.fargate),
        ("ElastiCache for Redis + a worker", room.redis),
        ("RDS for Postgres + a worker", room.postgres),
    ):
        try:
            found.append(make())
        except (FigureMissing, _Impossible) as error:
            missing.append(f"{title} is not priced: {error}")
    return found, missing


class _Impossible(Exception):
    """This work cannot be run this way."""


class _Room:
    """The ways of one workload, at the prices of one region."""

    def __init__(self, workload: Workload, services: Services) -> None:
        self._work = workload
        self._services = services

    def background(self) -> Way:
        """After the response, in the API's own process. Nothing is retried and nothing is kept."""
        return Way(
            "background",
            "background lane",
            (self._services.cpu(Quantity(per_task=self._cpu_hours(attempts=False))),),
            survives=False,
            notes=("what is in flight at a restart, and what fails, is gone",),
        )

    def sqlite(self) -> Way:
        """In a file beside the API, by a worker on the same server."""
        notes: tuple[str, ...] = ("one server, one disk",)
        disk = self._services.disk({"records and blobs, 7 days": Quantity(per_task=self._disk_gb_months())})
        if not disk:
            notes += (f"no figure ebs.gp3 is known for {self._services.figures.region}: disk is left out",)
        cpu = self._services.cpu(Quantity(per_task=self._cpu_hours(attempts=True)))
        return Way("sqlite", "SQLite on this server", (cpu, *disk), notes=notes)

    def on_lambda(self, machine: str, *, together: bool) -> Way:
        """SQS, and a function that AWS's pollers call."""
        if self._work.memory_bytes > LAMBDA_MEMORY[1]:
            raise _Impossible("a Lambda function has at most 10,240 MB of memory")
        burst = self._work.burst if together else 1
        calls = [Calls(load, burst, self._chunk, in_turn=True) for load in self._work.loads]
        pollers = self._services.figures.each("lambda.pollers")
        mean = self._work.mean
        memory = self._work.memory_bytes
        meters = [
            self._sqs(calls, Quantity(pollers * MONTH_S / LONG_POLL_S), dead_letters=Fraction(SWEEPS)),
            self._services.lambda_requests(
                {
                    "invocations": Quantity(per_task=mean([each.first_takes for each in calls])),
                    "for retries": Quantity(per_task=mean([each.more_takes for each in calls])),
                    "the watch": Quantity(Fraction(SWEEPS)),
                }
            ),
            self._services.lambda_compute(
                machine,
                {
                    "the tasks": Quantity(per_task=mean([each.gb_s(memory) for each in calls])),
                    "for retries": Quantity(
                        per_task=mean([each.gb_s(memory) * (each.load.attempts - 1) for each in calls])
                    ),
                    "the watch": Quantity(SWEEPS * SWEEP_GB_S),
                },
            ),
            *self._records_and_blobs(calls),
        ]
        key = f"lambda-{machine}" + ("" if together else SINGLE)
        told = "calls of ten" if together else "a call a message"
        return Way(key, f"SQS + Lambda ({machine}), {told}", tuple(meters), notes=self._continued(calls))

    def fargate(self) -> Way:
        """SQS, and `twolane worker` in a container that polls for 20 s at a time."""
        calls = [Calls(load, self._work.burst, self._chunk, in_turn=False) for load in self._work.loads]
        polling = Quantity(per_worker=Fraction(MONTH_S, LONG_POLL_S))
        meters = [
            self._sqs(calls, polling, dead_letters=Fraction(SWEEPS)),
            *self._worker(),
            *self._records_and_blobs(calls),
        ]
        return Way(
            "fargate", "SQS + a Fargate worker", tuple(meters), self._tasks_a_worker(), notes=self._sized()
        )

    def redis(self) -> Way:
        """Celery, ARQ or RQ: a Redis node, and a worker on Fargate."""
        meters = (self._services.redis(), *self._worker(), *self._blobs())
        notes = ("one node: what Redis holds goes with it", *self._sized())
        return Way("redis", "ElastiCache for Redis + a worker", meters, self._tasks_a_worker(), notes=notes)

    def postgres(self) -> Way:
        """A queue in a Postgres of its own, and a worker on Fargate."""
        meters = (*self._services.postgres(POSTGRES_GB), *self._worker(), *self._blobs())
        return Way(
            "postgres", "RDS for Postgres + a worker", meters, self._tasks_a_worker(), notes=self._sized()
        )

    # What the ways are made of

    @property
    def _chunk(self) -> Fraction:
        return self._services.figures.each("sqs.chunk")

    def _sqs(self, calls: list[Calls], polling: Quantity, *, dead_letters: Fraction) -> Meter:
        mean = self._work.mean
        return self._services.sqs(
            {
                "sends": Quantity(per_task=mean([each.sends for each in calls])),
                "receives": Quantity(per_task=mean([each.receives for each in calls])),
                "idle polling": polling,
                "deletes": Quantity(per_task=mean([each.first_takes for each in calls])),
                "retries": Quantity(per_task=mean([each.retry_requests for each in calls])),
                "heartbeats": Quantity(per_task=mean([each.heartbeats / each.taken for each in calls])),
                "dead-letter queue": Quantity(dead_letters, mean([each.dead_requests for each in calls])),
            }
        )

    def _records_and_blobs(self, calls: list[Calls]) -> list[Meter]:
        mean = self._work.mean
        return [
            *self._services.dynamodb(
                {
                    "records": Quantity(per_task=mean([each.record_writes for each in calls])),
                    "for retries": Quantity(per_task=mean([each.retry_writes for each in calls])),
                    "heartbeats": Quantity(per_task=mean([each.heartbeat_writes for each in calls])),
                },
                {"records": Quantity(per_task=mean([each.record_reads for each in calls]))},
                {
                    "records, 7 days": Quantity(
                        per_task=mean([each.record_gb for each in calls]) * KEPT_MONTHS
                    )
                },
            ),
            *self._blobs(),
            self._services.alarms(ALARMS),
        ]

    def _blobs(self) -> list[Meter]:
        loads = self._work.loads
        if not any(is_large(load) for load in loads):
            return []
        stored = [load.payload_bytes / GB * KEPT_MONTHS if is_large(load) else ZERO for load in loads]
        return self._services.s3(
            {"large payloads": Quantity(per_task=self._work.mean([puts(load) for load in loads]))},
            {
                "large payloads": Quantity(
                    per_task=self._work.mean([load.attempts if is_large(load) else ZERO for load in loads])
                )
            },
            {"large payloads, 7 days": Quantity(per_task=self._work.mean(stored))},
        )

    def _worker(self) -> list[Meter]:
        vcpu, memory = fargate_size(self._work.memory_bytes)
        hours = Fraction(MONTH_HOURS)
        return self._services.fargate(
            "arm",
            Quantity(per_worker=vcpu * hours),
            Quantity(per_worker=memory / GB * hours),
            Quantity(per_worker=hours),
        )

    def _tasks_a_worker(self) -> Fraction:
        """What one worker gets done in a month: its slots are full at some number of tasks, its CPU at another."""
        vcpu, _ = fargate_size(self._work.memory_bytes)
        slot_s = self._work.mean([load.duration_s * load.attempts for load in self._work.loads])
        cpu_s = self._cpu_hours(attempts=True) * 3600
        limits = [MONTH_S * SLOTS / slot_s] if slot_s else []
        limits += [MONTH_S * vcpu / cpu_s] if cpu_s else []
        return BUSY * min(limits, default=Fraction(10**9))

    def _cpu_hours(self, *, attempts: bool) -> Fraction:
        """vCPU-hours of one task: as much CPU as Lambda gives a function of this memory, all the time it runs."""
        vcpus = self._work.memory_bytes / 2**20 / self._services.figures.each("lambda.vcpu")
        return (
            min(vcpus, Fraction(1))
            / 3600
            * self._work.mean(
                [load.duration_s * (load.attempts if attempts else 1) for load in self._work.loads]
            )
        )

    def _disk_gb_months(self) -> Fraction:
        loads = self._work.loads
        return (
            self._work.mean([(load.payload_bytes + ENVELOPE_BYTES + ROW_BYTES) / GB for load in loads])
            * KEPT_MONTHS
        )

    def _sized(self) -> tuple[str, ...]:
        vcpu, memory = fargate_size(self._work.memory_bytes)
        return (
            f"a worker of {float(vcpu):g} vCPU and {float(memory / GB):g} GB on arm, {SLOTS} tasks at a time",
        )

    @staticmethod
    def _continued(calls: list[Calls]) -> tuple[str, ...]:
        long = [each.load.name for each in calls if each.parts > 1]
        return (f"longer than 15 min, continued in another run: {', '.join(long)}",) if long else ()
