"""`twolane stats`: once, or as a view that goes on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import typer
from rich.console import RenderableType
from rich.text import Text

from twolane.cli import forms
from twolane.cli.finding import find_settings, opened_stores
from twolane.cli.options import App, AppDir, AsJson
from twolane.cli.screen import console, made_table, text, when
from twolane.cli.viewing import Pace, lines_until_interrupted, view_until_interrupted
from twolane.engine.runtime import Stores
from twolane.values.condition import Phase, Standing, WatchState
from twolane.values.lengths import length
from twolane.values.record import State, Stats, WorkerInfo

NARROW = 100
"""With fewer columns only what matters most is shown."""

Watch = Annotated[
    bool,
    typer.Option(
        "--watch", "-w", help="Go on until Ctrl-C: a view on a terminal, with --json a line each time."
    ),
]
Interval = Annotated[
    float, typer.Option("--interval", min=0.1, max=3600, metavar="SECONDS", help="How often, with --watch.")
]


def stats(
    app: App = None,
    app_dir: AppDir = None,
    as_json: AsJson = False,
    watch: Watch = False,
    interval: Interval = 1.0,
) -> None:
    """Count the messages of each queue by state; list the workers alive and the alerts owed."""
    settings = find_settings(app, app_dir)
    where, pace = str(settings.queue), Pace()
    with opened_stores(settings) as stores:
        if not watch:
            found, state = stores.records.stats(), stores.records.watch_state()
            if as_json:
                forms.print_json(forms.stats_form(found))
            else:
                for part in _parts(where, found, state):
                    console().print(part, soft_wrap=isinstance(part, Text))
        elif as_json:
            lines_until_interrupted(lambda: forms.stats_form(stores.records.stats()), interval)
        else:
            view_until_interrupted(lambda width: _view(where, stores, pace, width), interval)


def _view(where: str, stores: Stores, pace: Pace, width: int) -> Iterator[RenderableType]:
    found, state = stores.records.stats(), stores.records.watch_state()
    return _parts(where, found, state, width=width, rate=pace.done_a_second(found))


def _parts(
    where: str, found: Stats, state: WatchState, *, width: int = NARROW, rate: str = ""
) -> Iterator[RenderableType]:
    yield text(where, "bold")
    for standing in state.standings:
        if standing.phase is Phase.HOLDING:
            yield text(_condition(standing), "bold red")
    yield _queues(found, narrow=width < NARROW)
    yield _workers(found.workers, narrow=width < NARROW)
    forgotten = sum(found.pruned.values())
    yield text(f"{found.accepted} accepted in all, {forgotten} of them finished and forgotten{rate}")
    yield text(f"alerts: {found.owed_alerts} owed, {found.told_alerts} told")


def _condition(standing: Standing) -> str:
    return f"! {standing.title} (since {when(standing.since)})"


def _queues(found: Stats, *, narrow: bool) -> RenderableType:
    if not found.queues:
        return text("no messages")
    states = (State.WAITING, State.RUNNING, State.DEAD) if narrow else tuple(State)
    more = ["oldest"] if narrow else ["not understood", "oldest"]
    numbers = [*(state.value for state in states), *more]
    rows = (
        [
            name,
            *(str(queue.counts.get(state, 0)) for state in states),
            *([] if narrow else [str(queue.not_understood)]),
            length(queue.oldest_age_s),
        ]
        for name, queue in sorted(found.queues.items())
    )
    return made_table(["queue", *numbers], rows, numbers)


def _workers(workers: tuple[WorkerInfo, ...], *, narrow: bool) -> RenderableType:
    if not workers:
        return text(
            "no worker is alive: nothing runs what waits. Start the app, or `twolane worker module:app`"
        )
    if narrow:
        rows = ([str(worker.pid), _kind(worker), ", ".join(worker.queues)] for worker in workers)
        return made_table(["pid", "worker", "queues"], rows, ["pid"])
    return made_table(
        ["worker", "pid", "kind", "slots", "queues", "tasks", "since"],
        (
            [
                worker.id,
                str(worker.pid),
                _kind(worker),
                str(worker.slots),
                ", ".join(worker.queues),
                str(len(worker.tasks)),
                (when(worker.started_at) or "") + (", stopping" if worker.stopping else ""),
            ]
            for worker in workers
        ),
        ["pid", "slots", "tasks"],
    )


def _kind(worker: WorkerInfo) -> str:
    return "in the app" if worker.kind == "in_app" else worker.kind
