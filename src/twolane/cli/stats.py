"""`twolane stats`."""

from __future__ import annotations

from twolane.cli import forms
from twolane.cli.finding import find_settings, opened_stores
from twolane.cli.options import App, AppDir, AsJson
from twolane.cli.screen import length, line, table, when
from twolane.values.record import State, Stats


def stats(app: App = None, app_dir: AppDir = None, as_json: AsJson = False) -> None:
    """Count the messages of each queue by state; list the workers alive and the alerts owed."""
    settings = find_settings(app, app_dir)
    with opened_stores(settings) as stores:
        found = stores.records.stats()
    if as_json:
        forms.print_json(forms.stats_form(found))
        return
    line(str(settings.queue), "bold")
    _show_queues(found)
    _show_workers(found)
    forgotten = sum(found.pruned.values())
    line(f"{found.accepted} accepted in all, {forgotten} of them finished and forgotten")
    line(f"alerts: {found.owed_alerts} owed, {found.told_alerts} told")


def _show_queues(found: Stats) -> None:
    if not found.queues:
        line("no messages")
        return
    numbers = [*(state.value for state in State), "not understood", "oldest"]
    table(
        ["queue", *numbers],
        (
            [
                name,
                *(str(queue.counts.get(state, 0)) for state in State),
                str(queue.not_understood),
                length(queue.oldest_age_s),
            ]
            for name, queue in sorted(found.queues.items())
        ),
        numbers,
    )


def _show_workers(found: Stats) -> None:
    if not found.workers:
        line("no worker is alive: nothing runs what waits. Start the app, or `twolane worker module:app`")
        return
    table(
        ["worker", "pid", "kind", "slots", "queues", "tasks", "since"],
        (
            [
                worker.id,
                str(worker.pid),
                "in the app" if worker.kind == "in_app" else worker.kind,
                str(worker.slots),
                ", ".join(worker.queues),
                str(len(worker.tasks)),
                (when(worker.started_at) or "") + (", stopping" if worker.stopping else ""),
            ]
            for worker in found.workers
        ),
        ["pid", "slots", "tasks"],
    )
