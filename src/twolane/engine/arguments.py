"""A task's arguments: from a call to JSON by name, and back (DESIGN.md section 4).

Bound to the signature, validated by pydantic when sent, and validated again when run. No pickle anywhere.

The pydantic model of a task is made at its first use, so that importing twolane and defining tasks
loads no third-party module.
"""

from __future__ import annotations

import inspect
import re
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, Literal, get_type_hints

from twolane.engine.secret_types import holds_secret, revealed
from twolane.values.blob import Blob
from twolane.values.errors import ArgumentsRefused, DefinitionError
from twolane.values.message import to_json

_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


_EXACT = frozenset([bool, float, int, str])
"""What was validated as one of these is one: pydantic need not look at its type once more when it writes it."""
_SURELY_READ = sys.int_info.str_digits_check_threshold
"""No integer of so few digits is too long for Python to read."""


class Arguments:
    """The arguments of one task.

    Args:
        fn: the task's function.
        name: the task's name, for errors.
        skip_first: the first parameter is the worker's to fill.
        filled: the names of others that it fills. What stands behind one of them is passed by name.

    Attributes:
        names: the parameters' names that a sender fills, in order.
        secrets: those of them whose types hold secrets; known once the model is made.
    """

    def __init__(
        self, fn: Callable[..., Any], name: str, *, skip_first: bool, filled: AbstractSet[str] = frozenset()
    ) -> None:
        signature = inspect.signature(fn)
        parameters = list(signature.parameters.values())[1 if skip_first else 0 :]
        if filled:
            parameters = _without(filled, parameters)
        self._signature = signature.replace(parameters=parameters)
        self._filled = filled
        self._fn = fn
        self._task = name
        self._parameters = parameters
        self._positional = [p.name for p in parameters if p.kind not in (p.KEYWORD_ONLY, *_VARIADIC)]
        self._hidden = {p.name for p in parameters if p.kind is p.POSITIONAL_ONLY}
        self._fields = [_field(index) for index in range(len(parameters))]
        self._keyword_only = {
            field: p.name
            for field, p in zip(self._fields, parameters, strict=True)
            if p.kind is p.KEYWORD_ONLY
        }
        self._reader: Callable[[Mapping[str, Any] | str, Mapping[str, Any]], Any] | None = None
        self._model: Any = None
        self._warnings: Literal["error", False] = "error"
        self._lock = threading.Lock()
        self.names = tuple(p.name for p in parameters)
        self.secrets: tuple[str, ...] = ()

    def fit(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        """Check that a call fits the signature; nothing is validated.

        Raises:
            ArgumentsRefused: one is missing, unknown, too many or given twice.
        """
        if not kwargs and len(args) == len(self._positional) == len(self._parameters):
            return  # the usual call, for a tenth of what binding takes
        try:
            self._signature.bind(*args, **kwargs)
        except TypeError as error:
            raise ArgumentsRefused(f"task {self._task}: {error}; nothing will run") from None

    def bind(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Arguments by name, as a call of the function would bind them.

        Raises:
            ArgumentsRefused: too many, or one given twice.
        """
        if len(args) > len(self._positional):
            raise ArgumentsRefused(
                f"task {self._task} takes {len(self._positional)} positional argument(s), {len(args)} were given"
            )
        bound: dict[str, Any] = dict(zip(self._positional, args, strict=False))
        for key, value in kwargs.items():
            if key in bound:
                raise ArgumentsRefused(f"task {self._task}: `{key}` was given twice")
            if key in self._hidden:
                raise ArgumentsRefused(f"task {self._task}: `{key}` is positional only")
            if key in self._filled:
                raise ArgumentsRefused(f"task {self._task}: `{key}` is filled by the worker, and never sent")
            bound[key] = value
        return bound

    def validate(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """The validated arguments of a send, as a pydantic model.

        Raises:
            ArgumentsRefused: which argument does not fit, and why.
            DefinitionError: the signature cannot be stored as JSON at all.
        """
        try:
            usual = not kwargs and len(args) <= len(self._positional)
            bound = dict(zip(self._positional, args, strict=False)) if usual else self.bind(args, kwargs)
            return self.model.__pydantic_validator__.validate_python(bound)
        except ValueError as error:
            from pydantic_core import ValidationError

            if not isinstance(error, ValidationError):
                raise
            raise ArgumentsRefused(f"task {self._task}: {reasons(error)}; nothing was stored") from None

    def dump(self, validated: Any, blobs: list[Blob]) -> str:
        """Validated arguments by name, as one line of ASCII JSON; the blobs among them are added to `blobs`.

        Raises:
            ArgumentsRefused: one that JSON cannot carry: NaN, a lone surrogate, an endless integer.
        """
        try:
            return self._write(validated, None, blobs)
        except (ValueError, RecursionError) as error:
            for index, name in enumerate(self.names):
                try:
                    self._write(validated, {_field(index)}, [])
                except (ValueError, RecursionError) as its:
                    raise ArgumentsRefused(
                        f"task {self._task}: `{name}` cannot be stored as JSON ({_without_values(its)}); "
                        f"nothing was stored"
                    ) from None
            raise ArgumentsRefused(f"task {self._task}: {_without_values(error)}") from None

    def _write(self, validated: Any, only: set[str] | None, blobs: list[Blob]) -> str:
        """Written by pydantic at once; where that may not be what was given, as values and by `json`."""
        write, context = self.model.__pydantic_serializer__, {"blobs": blobs}
        warnings = self._warnings
        text: str = write.to_json(
            validated, by_alias=True, warnings=warnings, context=context, include=only
        ).decode()
        if _is_plain(text):
            return text
        blobs.clear()
        values = write.to_python(
            validated, mode="json", by_alias=True, warnings=warnings, context=context, include=only
        )
        return to_json(values)

    def load(
        self, values: Mapping[str, Any] | str, context: Mapping[str, Any]
    ) -> tuple[list[Any], dict[str, Any]]:
        """Stored JSON values as what the function is called with.

        Args:
            values: the arguments by name, as JSON values; or as they are written, an object in JSON.
            context: for types that bind themselves, such as a Blob to its store.

        Raises:
            ArgumentsRefused: what is stored does not fit the signature.
        """
        reader = self._reader or self._make_reader()
        try:
            loaded = reader(values, context).__dict__
        except ValueError as error:
            raise self._unfit(error) from None
        if self._keyword_only:
            args = [loaded[name] for name in self._fields if name not in self._keyword_only]
            return args, {key: loaded[name] for name, key in self._keyword_only.items()}
        return [loaded[name] for name in self._fields], {}

    def _make_reader(self) -> Callable[[Mapping[str, Any] | str, Mapping[str, Any]], Any]:
        """What makes the model of stored values; made once, since imports in a function take time at each call."""
        from pydantic_core import to_json as to_bytes

        validate = self.model.__pydantic_validator__.validate_json

        def read(values: Mapping[str, Any] | str, context: Mapping[str, Any]) -> Any:
            return validate(values if isinstance(values, str) else to_bytes(values), context=context)

        self._reader = read
        return read

    def _unfit(self, error: ValueError) -> Exception:
        """What it means that stored values cannot be loaded; a validator of the user's may raise what it wants."""
        from pydantic_core import PydanticSerializationError, ValidationError

        if isinstance(error, ValidationError):
            return ArgumentsRefused(f"task {self._task}: {reasons(error)}")
        if isinstance(error, PydanticSerializationError):  # a lone surrogate, put in by hand
            return ArgumentsRefused(f"task {self._task}: what is stored is no JSON ({error})")
        return error

    @property
    def model(self) -> Any:
        """The pydantic model of the arguments, made at first use.

        Raises:
            DefinitionError: a parameter has a type that no JSON can carry.
        """
        if self._model is None:
            with self._lock:
                if self._model is None:
                    self._model = self._make_model()
        return self._model

    def _make_model(self) -> Any:
        from pydantic import ConfigDict, Field, create_model

        hints = self._resolve_hints()
        fields: dict[str, Any] = {}
        secrets: list[str] = []
        for index, parameter in enumerate(self._parameters):
            annotation = hints.get(parameter.name, Any)
            default = self._check_type(parameter, annotation)
            if holds_secret(annotation):
                secrets.append(parameter.name)
                annotation = revealed(annotation)
            fields[_field(index)] = (annotation, Field(default, alias=parameter.name))
        config = ConfigDict(
            extra="forbid",
            protected_namespaces=(),
            ser_json_bytes="base64",  # any bytes, not only those that are UTF-8
            val_json_bytes="base64",
            ser_json_inf_nan="constants",  # refused when it is encoded, where null would change what was sent
        )
        self.secrets = tuple(secrets)
        if all(hints.get(parameter.name) in _EXACT for parameter in self._parameters):
            self._warnings = False  # a third of the time, with the text parsed for "error"
        return create_model("Arguments", __config__=config, **fields)

    def _resolve_hints(self) -> dict[str, Any]:
        try:
            return get_type_hints(self._fn, include_extras=True)
        except (NameError, TypeError) as error:
            raise DefinitionError(
                f"task {self._task}: its annotations cannot be resolved ({error}); define their types at "
                f"the top of the module"
            ) from None

    def _check_type(self, parameter: inspect.Parameter, annotation: Any) -> Any:
        """The parameter's default as its type makes it, or `...` if it has none."""
        from pydantic import PydanticUserError, TypeAdapter, ValidationError

        name, default = parameter.name, parameter.default
        try:
            adapter = TypeAdapter[Any](annotation)
            return ... if default is parameter.empty else adapter.validate_python(default)
        except ValidationError as error:
            raise DefinitionError(
                f"task {self._task}: the default of `{name}` does not fit its type ({reasons(error)})"
            ) from None
        except PydanticUserError as error:
            raise DefinitionError(
                f"task {self._task}: `{name}: {annotation!r}` cannot be stored in a message "
                f"({str(error).splitlines()[0].partition('. Set ')[0]}). Pass what identifies it, such as an id, and load it "
                f"in the task; a file is a Blob, made by lanes.store(upload)."
            ) from None


def reasons(error: Any) -> str:
    """A pydantic ValidationError as one line: each field with its reason, without the values given."""
    parts: list[str] = []
    for each in error.errors(include_url=False, include_input=False, include_context=False):
        where = ".".join(str(part) for part in each["loc"])
        parts.append(f"`{where}`: {each['msg']}" if where else str(each["msg"]))
    return "; ".join(parts)


def _is_plain(text: str) -> bool:
    """Whether JSON by pydantic is ASCII, and surely without NaN (a model may write it as null) or endless integers."""
    return (
        len(text) <= _SURELY_READ
        and text.isascii()
        and text.isprintable()
        and "null" not in text
        and "NaN" not in text
        and "Infinity" not in text
    )


def _without(filled: AbstractSet[str], parameters: Sequence[inspect.Parameter]) -> list[inspect.Parameter]:
    """Without those that are filled; a positional one behind them would mean another in a call as it is written."""
    first = min(index for index, parameter in enumerate(parameters) if parameter.name in filled)
    behind = [p.replace(kind=p.KEYWORD_ONLY) for p in parameters[first:] if p.name not in filled]
    return [*parameters[:first], *behind]


def _without_values(error: Exception) -> str:
    """Why pydantic cannot write something; where it would show the value, only what it expected."""
    expected = re.search(r"Expected `[^`]*`", str(error))
    return f"it is not what its type says: {expected[0].lower()}" if expected else str(error)


def _field(index: int) -> str:
    """A field's name in the model: neutral, since a parameter may be named like a method of BaseModel."""
    return f"p{index}"
