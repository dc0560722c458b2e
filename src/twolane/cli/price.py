"""`twolane price`: what the queue costs. The model is the side room `twolane.price`; here its report is shown."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from twolane.cli.forms import print_json
from twolane.cli.options import AppDir, AsJson
from twolane.values.errors import SettingsError

if TYPE_CHECKING:
    from twolane.price.figures import Figures
    from twolane.price.load import Load
    from twolane.price.report import Report

Target = Annotated[
    str | None,
    typer.Argument(metavar="[MODULE:APP]", help="With --from-records: whose queue, as in `twolane worker`."),
]
Tasks = Annotated[
    str | None, typer.Option(metavar="RATE", help="How often a task is sent: 500/day, 2e6/month.")
]
Duration = Annotated[str, typer.Option(metavar="TIME", help="How long one attempt takes: 1.2s, 300ms.")]
Payload = Annotated[str, typer.Option(metavar="SIZE", help="Its arguments, uploads included: 4KB, 10MB.")]
Retries = Annotated[str, typer.Option(metavar="SHARE", help="The part of the attempts that fail: 3%.")]
Several = Annotated[
    list[str] | None,
    typer.Option(
        "--task",
        metavar="'NAME RATE TIME SIZE SHARE'",
        help="A task in one line, as 'import_flights 200/month 45s 10MB 2%'; may be repeated.",
    ),
]
Memory = Annotated[str, typer.Option(metavar="SIZE", help="What the process that runs them is given.")]
Burst = Annotated[
    int, typer.Option(metavar="N", help="How many tasks arrive together: what calls of ten can use.")
]
Deploys = Annotated[str, typer.Option(metavar="RATE", help="Restarts: what is in flight then is cut.")]
Region = Annotated[str, typer.Option(metavar="REGION", help="Where, in AWS's words.")]
Free = Annotated[
    bool,
    typer.Option(
        "--free-tier/--no-free-tier", help="Take off what is free every month, and not for a year only."
    ),
]
Prices = Annotated[
    Path | None,
    typer.Option("--prices", metavar="FILE", help="Figures of your own, in the form of prices.toml."),
]
FromRecords = Annotated[
    str | None, typer.Option(metavar="DAYS", help="What the queue measured in the last days: 30d.")
]
ChartFile = Annotated[
    Path | None, typer.Option("--chart", metavar="FILE", help="Draw the chart: .svg, .png or .html.")
]


def price(
    target: Target = None,
    tasks: Tasks = None,
    duration: Duration = "1s",
    payload: Payload = "1KB",
    retries: Retries = "0%",
    task: Several = None,
    memory: Memory = "512MB",
    burst: Burst = 1,
    deploys: Deploys = "20/month",
    region: Region = "us-east-1",
    free_tier: Free = True,
    prices: Prices = None,
    from_records: FromRecords = None,
    chart: ChartFile = None,
    app_dir: AppDir = None,
    as_json: AsJson = False,
) -> None:
    """What does the queue cost? The monthly bill of each way to run the same work, and where they cross."""
    from twolane.cli.bills import show
    from twolane.price import load, picture, units
    from twolane.price.forms import report_form
    from twolane.price.report import report

    if chart is not None:
        picture.check_suffix(chart)
    loads: list[Load] = [load.read_load(each) for each in task or ()]
    if tasks is not None:
        loads.append(
            load.Load(
                "task",
                units.rate(tasks, "--tasks"),
                units.duration(duration, "--duration"),
                units.size(payload, "--payload"),
                units.share(retries, "--retries"),
            )
        )
    if from_records is not None:
        loads += _measured(from_records, target, app_dir)
    elif target is not None:
        raise SettingsError(
            f"{target} is an app: say --from-records 30d to price what its queue has measured"
        )
    work = load.workload(
        loads,
        memory_bytes=units.size(memory, "--memory"),
        burst=burst,
        deploys=units.rate(deploys, "--deploys"),
    )
    found = report(work, _figures(prices, region), datetime.now(UTC).date(), free=free_tier)
    if as_json:
        print_json(report_form(found))
    else:
        show(found)
    if chart is not None:
        _draw(found, chart)


def _measured(asked: str, target: str | None, app_dir: str | None) -> list[Load]:
    from twolane.cli.finding import find_settings, opened_stores
    from twolane.price import measured, units

    days, now = units.days(asked, "--from-records"), time.time()
    settings = find_settings(target, app_dir)
    with opened_stores(settings) as stores:
        found = measured.measured(stores.records.daily_sums(measured.first_day(now, days)), now)
    if not found:
        raise SettingsError(
            f"{settings.queue} has stored no task in the last {days} days: run the app for a while, or price a guess, "
            "as in --tasks 500/day --duration 1.2s"
        )
    return found


def _figures(prices: Path | None, region: str) -> Figures:
    from twolane.price import figures

    own = [] if prices is None else figures.read(prices)
    return figures.Figures([*figures.shipped(), *own], region)


def _draw(found: Report, path: Path) -> None:
    from twolane.price import curves, picture
    from twolane.price.report import count

    heading = f"{count(found.workload.per_month)} tasks a month in {found.region}"
    picture.write(curves.chart(found), path, heading)
