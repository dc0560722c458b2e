"""`twolane watch`: the watch alone, or one look."""

from __future__ import annotations

import asyncio
import logging
import signal
from dataclasses import replace
from datetime import timedelta
from typing import Annotated

import typer

from twolane.cli import exits, forms
from twolane.cli.finding import find_settings, find_tasks, opened_stores
from twolane.cli.logs import log_to_stderr
from twolane.cli.options import App, AppDir, AsJson
from twolane.cli.screen import block, line, when
from twolane.engine.conditions import Seen, seen_in
from twolane.engine.runtime import Runtime, Stores
from twolane.engine.task import Registry
from twolane.engine.watch import look, was_watched
from twolane.engine.watching import seen_from
from twolane.values.condition import Phase, Standing
from twolane.values.errors import SettingsError, UsageError
from twolane.values.thresholds import Thresholds
from twolane.wiring.clock import SystemClock
from twolane.wiring.opening import make_watch
from twolane.wiring.settings import Settings

log = logging.getLogger("twolane.watch")

Once = Annotated[
    bool,
    typer.Option("--once", help="Look once, tell nobody, write nothing; exit code 1 if a condition holds."),
]
TooOld = Annotated[
    list[str] | None,
    typer.Option(
        "--too-old",
        metavar="[QUEUE=]SECONDS",
        help="A message that waits for so long is too old, in one queue or in all; may be repeated. Else what "
        "the app says where it is loaded, else 900.",
    ),
]


def watch(
    app: App = None,
    app_dir: AppDir = None,
    once: Once = False,
    too_old: TooOld = None,
    as_json: AsJson = False,
) -> None:
    """Tell people what is wrong with the queue, as each API process does: take the lead where nobody has it."""
    if as_json and not once:
        raise UsageError(
            "--json goes with --once: what goes on is told to the targets of TWOLANE_ALERTS and the log"
        )
    settings, registry = _found(app, app_dir)
    thresholds = _with_too_old(settings.thresholds, too_old or [])
    if once:
        with opened_stores(settings) as stores:
            _look_once(stores, thresholds, as_json=as_json)
        return
    log_to_stderr()
    asyncio.run(_watch(make_watch(registry, settings, thresholds)))


def _found(app: str | None, app_dir: str | None) -> tuple[Settings, Registry]:
    """Where the queue lies; with the app's own thresholds and hooks where it is named."""
    if app is not None and (tasks := find_tasks(app, app_dir)) is not None:
        return tasks.settings, tasks.registry
    return find_settings(app, app_dir), Registry()


def _with_too_old(thresholds: Thresholds, said: list[str]) -> Thresholds:
    too_old_s: float | timedelta = thresholds.too_old_s
    too_old_of = dict(thresholds.too_old_of)
    for each in said:
        queue, found, text = each.rpartition("=")
        try:
            seconds = float(text)
        except ValueError:
            raise SettingsError(f"--too-old takes SECONDS or QUEUE=SECONDS, not {each!r}") from None
        if found:
            too_old_of[queue] = seconds
        else:
            too_old_s = seconds
    try:
        return replace(thresholds, too_old_s=too_old_s, too_old_of=too_old_of)
    except ValueError as error:
        raise SettingsError(f"--too-old: {error}") from None


async def _watch(runtime: Runtime) -> None:
    """Until SIGTERM or Ctrl-C; a second one does not wait for what is being told."""
    loop, stopped = asyncio.get_running_loop(), asyncio.Event()

    def stop() -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
        stopped.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    await runtime.watch_alone()
    log.info("watching %s", runtime.stores.address)
    try:
        await stopped.wait()
    finally:
        await runtime.stop()


def _look_once(stores: Stores, thresholds: Thresholds, *, as_json: bool) -> None:
    snapshot, now = seen_from(stores.records, stores.premises), SystemClock().now()
    seen = {each.name: each for each in seen_in(snapshot, now, thresholds)}
    after = {each.name: each for each in look(snapshot, now, thresholds).state.standings}
    # Where a watch runs, it has seen for how long; where none does, what is seen holds.
    holding = [
        (each, after[name])
        for name, each in seen.items()
        if after[name].phase is Phase.HOLDING or not was_watched(snapshot.state, now)
    ]
    if as_json:
        is_led = snapshot.state.is_led(now)
        forms.print_json({"watched": is_led, "conditions": [forms.condition_form(*each) for each in holding]})
    else:
        _show(holding)
    if holding:
        raise typer.Exit(exits.NOTHING_DONE)


def _show(holding: list[tuple[Seen, Standing]]) -> None:
    if not holding:
        line("nothing is wrong")
    for seen, standing in holding:
        line(seen.title, "bold")
        block(f"{seen.name}, since {when(standing.since)}\n{seen.body}")
