"""Worked examples of published pricing pages, to the cent: the page's address, and the numbers it gives.

The pages of AWS were read in stored copies (Markdown of the page, with its address). What an example has beside
what the model counts (provisioned concurrency, ephemeral storage, streamed bytes) is left out: the sums here are
those that the page itself gives for the parts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

import pytest

from twolane.price.figures import Figures
from twolane.price.meters import Meter, Quantity
from twolane.price.services import GB, MB, Services, gb_seconds
from twolane.price.units import MONTH_HOURS

LAMBDA = "https://aws.amazon.com/lambda/pricing/"
FARGATE = "https://aws.amazon.com/fargate/pricing/"
S3 = "https://aws.amazon.com/s3/faqs/"
EBS = "https://aws.amazon.com/ebs/pricing/"
SQS_SECOND = "https://adhdecode-articles-4.pages.dev/articles/sqs/sqs-cost-per-million-messages-pricing"
RDS_SECOND = "https://infratally.com/articles/aws-rds-pricing-explained-2026.html"

M = 1_000_000


@dataclass(frozen=True)
class Example:
    page: str
    named: str
    meters: Callable[[Services], list[Meter]]
    usd: tuple[str, ...]
    free: bool = True


def runs(
    requests: int, seconds: str, memory_mb: int, machine: str = "x86"
) -> Callable[[Services], list[Meter]]:
    """Lambda: compute, then requests, in the order of the page."""

    def meters(services: Services) -> list[Meter]:
        compute = requests * gb_seconds(Fraction(memory_mb * MB), Fraction(seconds))
        return [
            services.lambda_compute(machine, {"": Quantity(compute)}),
            services.lambda_requests({"": Quantity(Fraction(requests))}),
        ]

    return meters


def tasks(
    number: int, vcpu: str, gb: int, seconds: int, machine: str = "x86"
) -> Callable[[Services], list[Meter]]:
    """Fargate: so many tasks for so long each day of a month of thirty."""
    hours = Fraction(number * seconds * 30, 3600)
    return lambda services: services.fargate(machine, Quantity(hours * Fraction(vcpu)), Quantity(hours * gb))


EXAMPLES = [
    Example(LAMBDA, "mobile application backend", runs(3 * M, "0.120", 1536), ("2.33", "0.40")),
    Example(LAMBDA, "streaming telemetry", runs(7_440_000, "2", 1024), ("248.00", "1.49"), free=False),
    Example(LAMBDA, "customer support tickets", runs(6 * M, "0.280", 4096), ("105.33", "1.00")),
    Example(LAMBDA, "server side rendered content", runs(3 * M, "0.500", 1536), ("30.83", "0.40")),
    Example(
        LAMBDA, "insurance claims, compute on arm", lambda s: runs(M, "32", 1024, "arm")(s)[:1], ("421.34",)
    ),
    Example(LAMBDA, "insurance claims, requests", lambda s: runs(2 * M, "16", 1024, "arm")(s)[1:], ("0.20",)),
    Example(LAMBDA, "event processing using SQS", runs(30 * M, "1", 1024), ("500.00", "6.00"), free=False),
    Example(
        LAMBDA, "multiple event source mappings", runs(300 * M, "0.2", 1024), ("1000.00", "60.00"), free=False
    ),
    Example(
        LAMBDA,
        "mobile launch, without concurrency",
        lambda s: runs(2_500_000, "0.120", 1536)(s)[:1],
        ("0.83",),
    ),
    Example(FARGATE, "example 1, x86", tasks(5, "1", 2, 600), ("1.01", "0.22")),
    Example(FARGATE, "example 2, arm", tasks(5, "1", 2, 600, "arm"), ("0.81", "0.18")),
    Example(FARGATE, "example 3", tasks(10, "0.25", 1, 3600), ("3.04", "1.33")),
    Example(
        S3,
        "data requests in March",
        lambda s: s.s3({"": Quantity(Fraction(310_000))}, {"": Quantity(Fraction(620_000))}, {})[:2],
        ("1.55", "0.25"),
    ),
    Example(
        EBS,
        "gp3, 2,000 GB for 12 hours of 30 days",
        lambda s: s.disk({"": Quantity(Fraction(2000 * 12, 720))}),
        ("2.67",),
    ),
    Example(
        SQS_SECOND,
        "100,000 a day: sends by ten, receives and deletes one by one",
        lambda s: [
            s.sqs({"sends": Quantity(Fraction(300_000)), "the others": Quantity(Fraction(2 * 3 * M))})
        ],
        ("2.52",),
        free=False,
    ),
    Example(RDS_SECOND, "db.t4g.micro for a month", lambda s: s.postgres(Fraction(0))[:1], ("11.68",)),
]


@pytest.mark.parametrize(
    "example", EXAMPLES, ids=lambda example: f"{example.page.split('/')[2]} {example.named}"
)
def test_a_published_example_to_the_cent(us_east: Figures, example: Example) -> None:
    meters = example.meters(Services(us_east, free=example.free))
    assert tuple(str(cents(meter.cost(Fraction(0)))) for meter in meters) == example.usd


def test_there_are_ten_of_aws_itself() -> None:
    assert sum(example.page.startswith("https://aws.amazon.com/") for example in EXAMPLES) >= 10


def test_the_prices_by_the_second_of_fargates_page_are_those_by_the_hour(us_east: Figures) -> None:
    page = {
        "x86.vcpu": "0.000011244",
        "x86.memory": "0.000001235",
        "arm.vcpu": "0.0000089944",
        "arm.memory": "0.0000009889",
    }
    for name, a_second in page.items():
        digits = -Decimal(a_second).as_tuple().exponent  # type: ignore[operator]
        assert round(us_east.each(f"fargate.{name}") / 3600, digits) == Fraction(a_second), name


def test_a_long_poll_of_a_consumer_all_month_is_what_a_page_says() -> None:
    """129,600 in a month of 30 days, says the page the SQS price was read at; ours has 730 hours."""
    assert Fraction(30 * 86_400, 20) == 129_600
    assert Fraction(MONTH_HOURS * 3600, 20) == 131_400


def test_a_gb_is_1024_mb() -> None:
    assert gb_seconds(Fraction(1536 * MB), Fraction(1)) == Fraction(3, 2)
    assert GB == 1024 * MB


def cents(amount: Fraction) -> Decimal:
    exact = Decimal(amount.numerator) / Decimal(amount.denominator)
    return exact.quantize(Decimal("0.01"), ROUND_HALF_UP)
