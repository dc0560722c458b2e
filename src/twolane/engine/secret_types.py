"""Arguments whose types are pydantic's secrets: stored as they are, since a task needs them, where JSON would hold stars.

Which ones they are is written into the envelope, so that whoever shows a message can mask them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any, cast

_SECRET = re.compile(r"pydantic\.types\.Secret|Secret\.__get_pydantic_core_schema__")


def holds_secret(annotation: Any) -> bool:
    """Whether a type is a SecretStr, SecretBytes or Secret[...], or holds one: a union, a list, a model."""
    from pydantic import TypeAdapter

    return _SECRET.search(repr(TypeAdapter[Any](annotation).core_schema)) is not None


def revealed(annotation: Any) -> Any:
    """The same type, written with its secrets in clear when it is written as JSON."""
    from pydantic import PlainSerializer, TypeAdapter

    return Annotated[
        annotation, PlainSerializer(partial(_write, TypeAdapter[Any](annotation)), when_used="json")
    ]


def _write(adapter: Any, value: Any) -> Any:
    from pydantic_core import to_jsonable_python

    opened = _open(adapter.dump_python(value, by_alias=True))
    return to_jsonable_python(opened, bytes_mode="base64", inf_nan_mode="constants")


def _open(value: Any) -> Any:
    if hasattr(value, "get_secret_value"):
        return value.get_secret_value()
    if isinstance(value, dict):
        return {key: _open(each) for key, each in cast("Mapping[Any, Any]", value).items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_open(each) for each in cast("list[Any]", value)]
    return value
