"""`twolane alert`: who is told of deaths, how far each is, and whether a test reaches them."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from twolane.cli import exits, forms
from twolane.cli.finding import find_settings, find_tasks, opened_stores
from twolane.cli.options import App, AppDir, AsJson
from twolane.cli.screen import line, table, when
from twolane.engine.hand import Hand
from twolane.engine.masking import Masker
from twolane.engine.targets import LogTarget, Target
from twolane.engine.wording import Message
from twolane.values.telling import Telling
from twolane.wiring.alert_targets import targets_of
from twolane.wiring.settings import Settings

Test = Annotated[
    bool, typer.Option("--test", help="Send a test to the log and to each target, and say what happened.")
]


def alert(test: Test = False, app: App = None, app_dir: AppDir = None, as_json: AsJson = False) -> None:
    """Tell who is told of deaths: each target, what it is owed, when it last accepted something, why it does not."""
    settings = find_settings(app, app_dir)
    if test:
        _test(_addresses(settings, app, app_dir), as_json=as_json)
        return
    with opened_stores(settings) as stores:
        telling = stores.records.telling()
    if as_json:
        forms.print_json([forms.target_form(row, telling) for row in telling.live])
    elif not telling.live:
        line("no target has been served yet: an app or a worker that runs tells the log and TWOLANE_ALERTS")
    else:
        _show(telling)


def _show(telling: Telling) -> None:
    rows = (
        [
            row.name,
            str(telling.owed(row)),
            when(row.state.told_at) or "never",
            f"{row.state.error} ({row.state.tries} time(s), the last {when(row.state.failed_at)})"
            if row.state.error
            else "",
        ]
        for row in telling.live
    )
    table(["target", "owed", "last accepted", "why not"], rows, numbers=["owed"])


def _addresses(settings: Settings, app: str | None, app_dir: str | None) -> tuple[str, ...]:
    """Those of the environment, else those of the app's code."""
    if settings.alerts or os.environ.get("TWOLANE_ALERTS"):
        return settings.alerts
    tasks = find_tasks(app, app_dir)
    return () if tasks is None else tasks.settings.alerts


def _test(addresses: Sequence[str], *, as_json: bool) -> None:
    targets: list[Target] = [LogTarget(), *targets_of(addresses)]
    problems = asyncio.run(_sent_to(targets))
    if as_json:
        forms.print_json(
            [
                {"target": target.name, "accepted": problem is None, "problem": problem}
                for target, problem in zip(targets, problems, strict=True)
            ]
        )
    else:
        for target, problem in zip(targets, problems, strict=True):
            line(f"{target.name}: {'accepted' if problem is None else f'NOT ACCEPTED: {problem}'}")
        if len(targets) == 1:
            line("TWOLANE_ALERTS names no target: nobody is told beside the log")
    if any(problem is not None for problem in problems):
        raise typer.Exit(exits.NOT_TOLD)


async def _sent_to(targets: Sequence[Target]) -> list[str | None]:
    test = Message(
        "twolane: a test",
        f"Somebody on {socket.gethostname()} tries whether alerts reach you: they do. Nothing has died.",
    )
    return list(await asyncio.gather(*(_sent(target, test) for target in targets)))


async def _sent(target: Target, test: Any) -> str | None:
    """Why a target did not accept it; None: it did."""
    try:
        async with asyncio.timeout(target.timeout_s):
            await Hand(target.name).do(lambda: target.tell(test))
    except TimeoutError:
        return f"no answer within {target.timeout_s:g} s"
    except Exception as error:  # noqa: BLE001  (whatever it raises is what happened)
        return Masker().text(str(error) or type(error).__name__)
    return None
