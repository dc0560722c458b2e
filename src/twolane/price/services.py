"""The meters of AWS's services: which figure each asks for, and how it counts. docs/price.md tells each term."""

from __future__ import annotations

from fractions import Fraction
from math import ceil

from twolane.price.figures import Figures
from twolane.price.meters import ZERO, Meter, Quantity
from twolane.price.units import MONTH_HOURS

KB, MB, GB = 2**10, 2**20, 2**30
BATCH = 10
"""The most messages of one call of SQS."""
CALL_BYTES = MB
"""The most bytes of one call of SQS."""
LONG_POLL_S = 20
LAMBDA_S = 900
"""The longest run of a Lambda function."""
LAMBDA_MEMORY = (128 * MB, 10_240 * MB)
FARGATE_SIZES = tuple(
    (Fraction(vcpu), Fraction(low) * GB, Fraction(high) * GB)
    for vcpu, low, high in (
        ("0.25", "0.5", 2), ("0.5", 1, 4), (1, 2, 8), (2, 4, 16), (4, 8, 30), (8, 16, 60), (16, 32, 120),
    )
)  # fmt: skip
"""vCPUs, the least and the most memory that goes with them (aws.amazon.com/fargate/pricing)."""

Parts = dict[str, Quantity]


class Services:
    """Meters over the figures of one region.

    Args:
        figures: of the region.
        free: whether the allowances that do not end after a year are taken off.
    """

    def __init__(self, figures: Figures, *, free: bool = True) -> None:
        self.figures = figures
        self._free = free

    def sqs(self, parts: Parts) -> Meter:
        """Requests of a standard queue; the parts say how many, in chunks already."""
        return self._meter("SQS", "requests", "sqs.requests", parts, free="sqs.requests.free")

    def lambda_requests(self, parts: Parts) -> Meter:
        """Invocations."""
        return self._meter("Lambda", "requests", "lambda.requests", parts, free="lambda.requests.free")

    def lambda_compute(self, machine: str, parts: Parts) -> Meter:
        """GB-seconds, on x86 or arm."""
        name = f"lambda.{machine}"
        return self._meter(f"Lambda on {machine}", "GB-seconds", name, parts, free="lambda.compute.free")

    def fargate(
        self, machine: str, vcpu: Quantity, memory: Quantity, ipv4: Quantity | None = None
    ) -> list[Meter]:
        """vCPU-hours and GB-hours, on x86 or arm, and hours of public addresses."""
        meters = [
            self._meter(f"Fargate on {machine}", "vCPU-hours", f"fargate.{machine}.vcpu", {"vCPU": vcpu}),
            self._meter(f"Fargate on {machine}", "GB-hours", f"fargate.{machine}.memory", {"memory": memory}),
        ]
        return (
            meters
            if ipv4 is None
            else [*meters, self._meter("Fargate", "hours", "ipv4", {"public address": ipv4})]
        )

    def dynamodb(self, writes: Parts, reads: Parts, storage: Parts) -> list[Meter]:
        """Write units of 1 KB, strongly consistent read units of 4 KB, GB-months."""
        return [
            self._meter("DynamoDB", "write units", "dynamodb.writes", writes),
            self._meter("DynamoDB", "read units", "dynamodb.reads", reads),
            self._meter("DynamoDB", "GB-months", "dynamodb.storage", storage, free="dynamodb.storage.free"),
        ]

    def s3(self, puts: Parts, gets: Parts, storage: Parts) -> list[Meter]:
        """Requests and GB-months."""
        return [
            self._meter("S3", "PUT requests", "s3.puts", puts),
            self._meter("S3", "GET requests", "s3.gets", gets),
            self._meter("S3", "GB-months", "s3.storage", storage),
        ]

    def alarms(self, number: int) -> Meter:
        """CloudWatch alarms of standard resolution."""
        parts = {"alarms": Quantity(Fraction(number))}
        return self._meter("CloudWatch", "alarms", "cloudwatch.alarms", parts, free="cloudwatch.alarms.free")

    def redis(self) -> Meter:
        """One ElastiCache node, all month."""
        return self._meter("ElastiCache", "hours", "elasticache.node", {"node": _ALL_MONTH})

    def postgres(self, storage_gb: Fraction) -> list[Meter]:
        """One RDS instance all month, with its storage."""
        return [
            self._meter("RDS", "hours", "rds.instance", {"instance": _ALL_MONTH}),
            self._meter("RDS", "GB-months", "rds.storage", {"storage": Quantity(storage_gb)}),
        ]

    def cpu(self, vcpu_hours: Quantity) -> Meter:
        """CPU of a server you have, at what a vCPU costs on Fargate: what it would take to buy it back."""
        return self._meter("your server", "vCPU-hours", "fargate.arm.vcpu", {"CPU of the tasks": vcpu_hours})

    def disk(self, parts: Parts) -> list[Meter]:
        """Disk of a server you have; none where no figure is known."""
        if not self.figures.has("ebs.gp3"):
            return []
        return [self._meter("your server", "GB-months of disk", "ebs.gp3", parts)]

    def _meter(self, name: str, unit: str, figure: str, parts: Parts, *, free: str | None = None) -> Meter:
        off = self.figures.each(free) if free is not None and self._free else ZERO
        return Meter(name, unit, self.figures.each(figure), tuple(parts.items()), off)


_ALL_MONTH = Quantity(Fraction(MONTH_HOURS))


def chunks(messages: int, message_bytes: Fraction, chunk_bytes: Fraction) -> int:
    """As how many requests one call with so many messages of this size is billed."""
    return max(1, ceil(messages * message_bytes / chunk_bytes))


def gb_seconds(memory_bytes: Fraction, seconds: Fraction) -> Fraction:
    """What Lambda bills for one run: memory from 128 MB on, time rounded up to a millisecond."""
    return max(memory_bytes, Fraction(LAMBDA_MEMORY[0])) / GB * ceil(seconds * 1000) / 1000


def fargate_size(memory_bytes: Fraction) -> tuple[Fraction, Fraction]:
    """The smallest worker whose memory is enough: vCPUs, and bytes (whole GB from 1 GB on)."""
    for vcpu, low, high in FARGATE_SIZES:
        if memory_bytes <= high:
            return vcpu, low if memory_bytes <= low else Fraction(ceil(memory_bytes / GB) * GB)
    raise ValueError(f"{memory_bytes} bytes are more than any Fargate task has")
