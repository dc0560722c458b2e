"""A change as a PartiQL statement.

The one form in which DynamoDB takes many conditional writes in one call, each with an answer of its own.
"""

from __future__ import annotations

from typing import Any

from twolane.backends.dynamodb.table import attributes
from twolane.contracts.state import Change, Item


def statement(table: str, change: Change) -> dict[str, Any]:
    """One change, on the condition that the item is as it was read."""
    if change.after is None:
        text, values = _delete(table, change)
    elif change.before is None:
        text, values = _insert(table, change.after)
    else:
        text, values = _update(table, change.before, change.after)
    return {
        "Statement": text,
        "Parameters": values,
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }


def _insert(table: str, after: Item) -> tuple[str, list[dict[str, str]]]:
    has = attributes(after)
    fields = ", ".join(f"'{name}': ?" for name in has)
    return f'INSERT INTO "{table}" VALUE {{{fields}}}', list(has.values())


def _update(table: str, before: Item, after: Item) -> tuple[str, list[dict[str, str]]]:
    had, has = attributes(before), attributes(after)
    changed = {name: value for name, value in has.items() if had.get(name) != value}
    sets = "".join(f' SET "{name}" = ?' for name in changed)
    removes = "".join(f' REMOVE "{name}"' for name in had if name not in has)
    return (
        f'UPDATE "{table}"{sets}{removes} WHERE "pk" = ? AND "ver" = ?',
        [*changed.values(), had["pk"], had["ver"]],
    )


def _delete(table: str, change: Change) -> tuple[str, list[dict[str, str]]]:
    text = f'DELETE FROM "{table}" WHERE "pk" = ?'  # noqa: S608
    if change.before is None:
        return text, [{"S": change.key}]
    return f'{text} AND "ver" = ?', [{"S": change.key}, {"N": str(change.before.version)}]
