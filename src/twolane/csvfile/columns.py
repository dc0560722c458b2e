"""Matches the columns of a file to the fields of a pydantic model. Loads pydantic."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import AliasChoices, AliasPath, BaseModel
from pydantic.fields import FieldInfo

from twolane.csvfile.errors import CsvError, listed


@dataclass(frozen=True, slots=True)
class Column:
    """A column that a field of the model is read from.

    Args:
        name: its name in the header, by which pydantic knows the field too.
        index: its place in a row, from 0.
        empty: what an empty field becomes: None, the field's default, or the text ''.
    """

    name: str
    index: int
    empty: Literal["none", "default", "text"]


def match_columns(model: type[BaseModel], names: Sequence[str]) -> tuple[Column, ...]:
    """Return the columns `model` takes from a header; other columns are ignored.

    Raises:
        CsvError: a required field has no column; names every one.
    """
    model.model_rebuild()
    columns: list[Column] = []
    missing: list[str] = []
    for field_name, field in model.model_fields.items():
        accepted = _accepted_names(model, field_name, field)
        name = next((name for name in accepted if name in names), None)
        if name is not None:
            columns.append(Column(name, names.index(name), _when_empty(field)))
        elif field.is_required():
            missing.append(accepted[0] if accepted else field_name)
    if missing:
        raise CsvError(_missing_sentence(missing, names))
    if not columns:
        raise CsvError(
            f"The file has none of the columns {listed(list(model.model_fields))}: it has {listed(names)}."
        )
    return tuple(columns)


def _accepted_names(model: type[BaseModel], field_name: str, field: FieldInfo) -> list[str]:
    """Return the names under which pydantic takes this field, in its own order of preference."""
    alias, config = field.validation_alias, model.model_config
    if alias is None:
        return [field_name]
    names: list[str] = []
    if config.get("validate_by_alias", True):
        choices = alias.choices if isinstance(alias, AliasChoices) else [alias]
        paths = [choice.path if isinstance(choice, AliasPath) else [choice] for choice in choices]
        names = [path[0] for path in paths if len(path) == 1 and isinstance(path[0], str)]
    if config.get("validate_by_name") or config.get("populate_by_name"):
        names.append(field_name)
    return names


def _when_empty(field: FieldInfo) -> Literal["none", "default", "text"]:
    if _allows_none(field.annotation):
        return "none"
    return "text" if field.is_required() else "default"


def _allows_none(annotation: Any) -> bool:
    """Tell whether None is a value of this type; `Any` and `object` take it too."""
    if annotation in (None, NoneType, Any, object):
        return True
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _allows_none(arguments[0])
    if origin in (Union, UnionType):
        return any(_allows_none(argument) for argument in arguments)
    if origin is Literal:
        return None in arguments
    meaning = getattr(annotation, "__value__", None)  # of `type Seats = int | None`
    return meaning is not None and _allows_none(meaning)


def _missing_sentence(missing: Sequence[str], names: Sequence[str]) -> str:
    """Say which columns are missing, what is there, and the likeliest reason."""
    noun = "column" if len(missing) == 1 else "columns"
    sentence = f"The file lacks the {noun} {listed(missing)}; its header row has {listed(names)}."
    if len(names) == 1 and (";" in names[0] or "\t" in names[0]):
        sentence += " Its fields must be separated by commas."
    return sentence
