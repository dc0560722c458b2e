"""The JSON form of a report; its field names are an interface and stay. Money in USD, amounts a month."""

from __future__ import annotations

from math import ceil
from typing import Any

from twolane.price.figures import Figure
from twolane.price.load import Load
from twolane.price.report import Bill, Report

Form = dict[str, Any]


def report_form(report: Report) -> Form:
    """A report."""
    work = report.workload
    return {
        "region": report.region,
        "free_allowances": report.free,
        "workload": {
            "tasks_per_month": float(work.per_month),
            "tasks": [_load_form(load) for load in work.loads],
            "memory_bytes": int(work.memory_bytes),
            "burst": work.burst,
            "deploys_per_month": float(work.deploys),
        },
        "ways": [_bill_form(bill) for bill in report.bills],
        "not_priced": list(report.missing),
        "crossings": [
            {
                "tasks_per_month": ceil(each.tasks),
                "cheaper": each.cheaper,
                "dearer": each.dearer,
                "for_good": each.for_good,
            }
            for each in report.crossings
        ],
        "crossings_up_to": float(report.looked),
        "background_loses": {
            "in_flight": float(report.loss.in_flight),
            "cut_by_deploys": float(report.loss.cut),
            "failed": float(report.loss.failed),
        },
        "figures": [_figure_form(figure) for figure in report.figures],
        "stale": list(report.stale),
        "rule": report.rule,
    }


def _load_form(load: Load) -> Form:
    return {
        "task": load.name,
        "per_month": float(load.per_month),
        "duration_s": float(load.duration_s),
        "payload_bytes": float(load.payload_bytes),
        "retries": float(load.retries),
    }


def _bill_form(bill: Bill) -> Form:
    return {
        "way": bill.way.key,
        "title": bill.way.title,
        "survives_a_restart": bill.way.survives,
        "usd_per_month": float(bill.usd),
        "lines": [
            {
                "meter": line.meter,
                "name": line.name,
                "amount": float(line.amount),
                "unit": line.unit,
                "usd": float(line.usd),
            }
            for line in bill.lines
        ],
        "notes": list(bill.way.notes),
    }


def _figure_form(figure: Figure) -> Form:
    return {
        "name": figure.name,
        "value": float(figure.value),
        "unit": figure.unit,
        "region": figure.region,
        "source": figure.source,
        "read": figure.read_on.isoformat(),
        "as_of": figure.as_of and figure.as_of.isoformat(),
        "secondary": figure.secondary,
        "note": figure.note,
    }
