"""What the fields of a pydantic model are to a CSV file: their names there, and what empty text means. Loads pydantic."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeAlias, Union, get_args, get_origin

from pydantic import AliasChoices, AliasPath, BaseModel
from pydantic.fields import FieldInfo

Empty: TypeAlias = Literal["none", "default", "text"]


@dataclass(frozen=True, slots=True)
class Field:
    """A field of the model that a column may fill.

    Args:
        name: its name in the model.
        key: by which pydantic takes it.
        names: what its column may be called, best first; none where no text can fill it.
        is_required: whether a row without it is no row.
        empty: what an empty field becomes: None, the default, or the text ''.
        is_choice: whether it may be one of several types, None aside.
    """

    name: str
    key: str
    names: tuple[str, ...]
    is_required: bool
    empty: Empty
    is_choice: bool


def fields_of(model: type[BaseModel], more_names: Mapping[str, str]) -> tuple[Field, ...]:
    """Return the fields of `model`; `more_names` are fields by further names of their columns."""
    model.model_rebuild()
    return tuple(_field(model, name, info, more_names) for name, info in model.model_fields.items())


def _field(model: type[BaseModel], name: str, info: FieldInfo, more_names: Mapping[str, str]) -> Field:
    accepted = _accepted_names(model, name, info)
    more = [column for column, field in more_names.items() if field == name]
    names = tuple([*more, *accepted] if accepted else ())
    key = accepted[0] if accepted else name
    return Field(name, key, names, info.is_required(), _when_empty(info), _is_choice(info.annotation))


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


def _when_empty(field: FieldInfo) -> Empty:
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


def _is_choice(annotation: Any) -> bool:
    """Tell whether a type is a union of more than one type beside None."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _is_choice(arguments[0])
    if origin in (Union, UnionType):
        types = [argument for argument in arguments if argument not in (None, NoneType)]
        return len(types) > 1 or _is_choice(types[0])
    meaning = getattr(annotation, "__value__", None)
    return meaning is not None and _is_choice(meaning)
