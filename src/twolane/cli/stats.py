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
from twolane.contracts.records import Records
from twolane.values.condition import Phase, Standing
from twolane.values.lengths import length
from twolane.values.record import State, Stats, WorkerInfo
from twolane.values.telling import Telling

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
    """Count the messages of each queue by state; list the workers alive; say whom alerts have not reached."""
    settings = find_settings(app, app_dir)
    where, pace = str(settings.queue), Pace()
    with opened_stores(settings) as stores:
        if not watch:
            if as_json:
                forms.print_json(_form(stores.records))
            else:
                for part in _view(where, stores.records):
                    console().print(part, soft_wrap=isinstance(part, Text))
        elif as_json:
            lines_until_interrupted(lambda: _form(stores.records), interval)
        else:
            view_until_interrupted(lambda width: _view(where, stores.records, pace, width), interval)


def _form(records: Records) -> forms.Form:
    return forms.stats_form(records.stats(), records.telling())


def _view(
    where: str, records: Records, pace: Pace | None = None, width: int = NARROW
) -> Iterator[RenderableType]:
    found = records.stats()
    yield text(where, "bold")
    for standing in records.watch_state().standings:
        if standing.phase is Phase.HOLDING:
            yield text(_condition(standing), "bold red")
    yield _queues(found, narrow=width < NARROW)
    yield _workers(found.workers, narrow=width < NARROW)
    forgotten, rate = sum(found.pruned.values()), pace.done_a_second(found) if pace else ""
    yield text(f"{found.accepted} accepted in all, {forgotten} of them finished and forgotten{rate}")
    if found.late_records:
        yield text(
            f"{found.late_records} done while the record could not be written; that is tried until it can"
        )
    yield from _alerts(records.telling())


def _alerts(telling: Telling) -> Iterator[RenderableType]:
    """One line if all is told; else one for each target that does not know all."""
    behind = [(row, telling.owed(row)) for row in telling.live if telling.owed(row)]
    if not telling.last:
        yield text("no alert yet")
    elif not telling.live:
        yield text(
            f"{telling.last} alert(s), and nobody to tell: no app and no worker has run here", "bold red"
        )
    elif not behind:
        names = ", ".join(row.name for row in telling.live)
        yield text(f"{telling.last} alert(s), all accepted by {names}")
    else:
        yield text(f"{telling.last} alert(s), {telling.told} of them accepted by everybody")
    for row, owed in behind:
        why = f": {row.state.error}" if row.state.error else ""
        yield text(f"  {row.name} has not accepted the last {owed}{why}", "bold red" if why else "")


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
