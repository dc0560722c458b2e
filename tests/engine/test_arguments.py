"""A call becomes JSON by name, and the JSON becomes a call again."""

from __future__ import annotations

import dataclasses
import enum
import io
import json
import math
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from twolane import ArgumentsRefused, Blob, DefinitionError, TaskContext
from twolane.engine.arguments import Arguments
from twolane.values.blob import BlobRef

SECRET = "s3cret"  # noqa: S105


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1


@dataclasses.dataclass
class Point:
    x: int
    y: int = 0


class Flight(BaseModel):
    number: str
    seats: int
    raw: bytes = b""


class Measured(BaseModel):
    value: float


class Pair(NamedTuple):
    left: int
    right: str


class Options(TypedDict):
    loud: bool


class Handle:
    """What no JSON can carry."""


def of(fn: Callable[..., Any], *, skip_first: bool = False) -> Arguments:
    return Arguments(fn, "work", skip_first=skip_first)


def sent(arguments: Arguments, *args: Any, **kwargs: Any) -> dict[str, Any]:
    """The values that are stored: as a send makes them."""
    stored: dict[str, Any] = json.loads(arguments.dump(arguments.validate(args, kwargs), []))
    return stored


def round_trip(annotation: Any, value: Any) -> Any:
    def fn(x: Any) -> None: ...

    fn.__annotations__["x"] = annotation
    arguments = of(fn)
    (back,), _ = arguments.load(sent(arguments, value), {})
    return back


class TestBinding:
    def test_by_position_and_by_name(self) -> None:
        def fn(a: int, b: str, *, c: bool) -> None: ...

        assert (
            sent(of(fn), 1, "x", c=True) == sent(of(fn), a=1, b="x", c=True) == {"a": 1, "b": "x", "c": True}
        )

    def test_the_context_is_no_argument(self) -> None:
        def fn(ctx: TaskContext, a: int) -> None: ...

        assert sent(of(fn, skip_first=True), 1) == {"a": 1}

    def test_defaults_are_stored(self) -> None:
        def fn(a: int, b: int = 2, *, c: Colour = Colour.RED) -> None: ...

        assert sent(of(fn), 1) == {"a": 1, "b": 2, "c": "red"}

    def test_the_function_is_called_as_it_was_written(self) -> None:
        def fn(a: int, /, b: str, *, c: bool) -> None: ...

        arguments = of(fn)
        assert arguments.load(sent(arguments, 1, "x", c=True), {}) == ([1, "x"], {"c": True})

    @pytest.mark.parametrize(
        ("args", "kwargs", "why"),
        [
            ((), {}, "`a`: Field required"),
            ((1, 2, 3), {}, r"takes 2 positional argument\(s\), 3 were given"),
            ((1, 2), {"c": 3, "d": 4}, "`d`: Extra inputs are not permitted"),
            ((1, 2), {"b": 3, "c": 4}, "`b` was given twice"),
            ((), {"a": 1, "b": 2, "c": 3}, "`a` is positional only"),
            ((1, 2, 3), {"c": 3}, r"2 positional argument\(s\), 3 were given"),
            ((1,), {"c": 3}, "`b`: Field required"),
        ],
    )
    def test_what_does_not_fit_is_named(self, args: Any, kwargs: Any, why: str) -> None:
        def fn(a: int, /, b: int, *, c: int) -> None: ...

        with pytest.raises(ArgumentsRefused, match=f"^task work.*{why}"):
            of(fn).validate(args, kwargs)

    def test_an_argument_may_be_named_like_anything(self) -> None:
        def fn(
            model_dump: int,
            model_config: int,
            schema: int,
            json: int,
            self: int,
            _private: int,
            p0: int,
            validate: int,
        ) -> None: ...

        arguments = of(fn)
        values = sent(arguments, *range(8))
        assert values == dict(zip(arguments.names, range(8), strict=True))
        assert arguments.load(values, {}) == (list(range(8)), {})


class TestValidation:
    def test_names_the_argument_and_the_reason_and_not_the_value(self) -> None:
        def fn(a: int, flight: Flight) -> None: ...

        with pytest.raises(ArgumentsRefused) as caught:
            of(fn).validate((SECRET,), {"flight": {"number": "LH1", "seats": SECRET}})
        assert "`a`: Input should be a valid integer" in str(caught.value)
        assert "`flight.seats`: Input should be a valid integer" in str(caught.value)
        assert "nothing was stored" in str(caught.value)
        assert SECRET not in str(caught.value)
        assert caught.value.__cause__ is None

    def test_a_model_that_was_changed_behind_its_validation_is_named_without_the_value(self) -> None:
        def fn(flight: Flight, point: Point) -> None: ...

        flight = Flight(number="LH1", seats=1)
        flight.seats = SECRET  # type: ignore[assignment]
        with pytest.raises(ArgumentsRefused, match="`flight`") as caught:
            of(fn).dump(of(fn).validate((flight, Point(1)), {}), [])
        assert SECRET not in str(caught.value)
        with pytest.raises(ArgumentsRefused, match="`point`") as caught:
            of(fn).dump(of(fn).validate((Flight(number="LH1", seats=1), Point(SECRET)), {}), [])  # type: ignore[arg-type]
        assert SECRET not in str(caught.value)

    def test_constraints_hold(self) -> None:
        def fn(seats: Annotated[int, Field(gt=0)]) -> None: ...

        with pytest.raises(ArgumentsRefused, match="`seats`: Input should be greater than 0"):
            of(fn).validate((0,), {})

    def test_what_is_stored_is_validated_again(self) -> None:
        def fn(a: int) -> None: ...

        for values in ({}, {"a": "x"}, {"a": 1, "b": 2}, {"a": None}):
            with pytest.raises(ArgumentsRefused, match=r"^task work: `[ab]`"):
                of(fn).load(values, {})

    def test_a_signature_may_grow_by_what_has_a_default(self) -> None:
        def fn(a: int, b: int = 2) -> None: ...

        assert of(fn).load({"a": 1}, {}) == ([1, 2], {})


class TestJson:
    @pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
    @pytest.mark.parametrize("annotation", [float, Any, list[float], dict[str, float]])
    def test_carries_no_nan_and_no_infinity(self, annotation: Any, value: float) -> None:
        wrapped = {list[float]: [value], dict[str, float]: {"k": value}}.get(annotation, value)
        with pytest.raises(ArgumentsRefused, match="`x`"):
            round_trip(annotation, wrapped)

    def test_carries_no_nan_inside_a_model(self) -> None:
        with pytest.raises(ArgumentsRefused, match="`x`"):
            round_trip(Measured, Measured(value=math.nan))

    @pytest.mark.parametrize("value", ["\ud800", "a\udfff", {"\ud800": 1}, ["\udc00"], "\ud83d \ude00"])
    def test_carries_no_lone_surrogate(self, value: Any) -> None:
        with pytest.raises(ArgumentsRefused, match="`x`"):
            round_trip(type(value), value)

    @pytest.mark.parametrize(
        "value", ["NaN", "null", "-Infinity", "ü", "\x7f", "\x00", '"\\', "x" * 5000, ""]
    )
    def test_writes_any_text_as_printable_ascii(self, value: str) -> None:
        def fn(x: str) -> None: ...

        written = of(fn).dump(of(fn).validate((value,), {}), [])
        assert written.isascii()
        assert written.isprintable()
        assert json.loads(written) == {"x": value}

    def test_collects_a_blob_once_where_it_writes_twice(self) -> None:
        def fn(x: Blob, y: str) -> None: ...

        blobs: list[Blob] = []
        given = Blob(BlobRef("key", 5, "ab", "flüge.csv"))
        of(fn).dump(of(fn).validate((given, "null"), {}), blobs)
        assert blobs == [given]

    def test_carries_what_is_outside_the_basic_plane(self) -> None:
        assert round_trip(str, "\U0001f600 \x00 ü") == "\U0001f600 \x00 ü"

    @pytest.mark.parametrize("value", [2**63, -(2**64), 10**4000])
    def test_carries_large_integers(self, value: int) -> None:
        assert round_trip(int, value) == value

    def test_carries_no_endless_integer(self) -> None:
        with pytest.raises(ArgumentsRefused, match="`x`"):
            round_trip(int, 10**5000)

    def test_carries_no_endless_nesting(self) -> None:
        value: list[Any] = []
        value.append(value)
        with pytest.raises(ArgumentsRefused):
            round_trip(list[Any], value)

    def test_carries_no_object_behind_any(self) -> None:
        with pytest.raises(ArgumentsRefused, match="`x`"):
            round_trip(Any, Handle())
        with pytest.raises(ArgumentsRefused, match="`x`"):
            round_trip(Callable[[], object], Handle)

    @given(st.text())
    def test_carries_all_text_that_utf8_can(self, text: str) -> None:
        try:
            text.encode()
        except UnicodeEncodeError:
            with pytest.raises(ArgumentsRefused, match="`x`"):
                round_trip(str, text)
        else:
            assert round_trip(str, text) == text

    @given(st.binary())
    def test_carries_all_bytes(self, data: bytes) -> None:
        assert round_trip(bytes, data) == data


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (int, 7),
        (float, 0.1),
        (bool, True),
        (str, "x"),
        (None, None),
        (datetime, datetime(2026, 7, 1, 12, 30, 0, 123456, tzinfo=UTC)),
        (datetime, datetime(2026, 7, 1, 12, 30)),  # noqa: DTZ001  (naive stays naive)
        (date, date(2026, 7, 1)),
        (time, time(12, 30)),
        (timedelta, timedelta(days=1, microseconds=1)),
        (Decimal, Decimal("0.10")),
        (UUID, UUID(int=7)),
        (Colour, Colour.BLUE),
        (Level, Level.LOW),
        (Point, Point(1, 2)),
        (Flight, Flight(number="LH1", seats=180, raw=b"raw")),
        (Pair, Pair(1, "x")),
        (Options, {"loud": True}),
        (tuple[int, str], (1, "x")),
        (tuple[int, ...], (1, 2, 3)),
        (set[int], {1, 2}),
        (frozenset[str], frozenset({"a"})),
        (bytes, b"\x00\xff\xfe"),
        (list[Point], [Point(1)]),
        (dict[int, Point], {1: Point(2)}),
        (dict[date, Decimal], {date(2026, 7, 1): Decimal("1.5")}),
        (Literal["a", 1], 1),
        (int | None, None),
        (int | str, "1"),
        (Path, Path("/tmp/a")),
        (Any, {"a": [1, None, "x"]}),
    ],
    ids=str,
)
def test_a_type_comes_back(annotation: Any, value: Any) -> None:
    back = round_trip(annotation, value)
    assert back == value
    assert type(back) is type(value)


class TestBlobs:
    REF = BlobRef("key", 5, "ab", "a.csv")

    def test_are_collected_when_stored_and_bound_when_read(self) -> None:
        def fn(one: Blob, more: list[Blob]) -> None: ...

        arguments, blobs = of(fn), list[Blob]()
        given = Blob(self.REF)
        values = json.loads(arguments.dump(arguments.validate((given, [given]), {}), blobs))
        assert values == {"one": self.REF.to_json(), "more": [self.REF.to_json()]}
        assert blobs == [given, given]
        (one, _), _ = arguments.load(values, {"open_blob": lambda ref: io.BytesIO(ref.key.encode())})
        assert one.open().read() == b"key"

    @pytest.mark.parametrize(
        "wrong",
        [
            7,
            "key",
            {},
            {"key": "k", "size_bytes": -1, "sha256": ""},
            {"key": 1, "size_bytes": 1, "sha256": ""},
        ],
    )
    def test_anything_else_is_refused(self, wrong: Any) -> None:
        def fn(upload: Blob) -> None: ...

        with pytest.raises(ArgumentsRefused, match="`upload`: Value error, a blob"):
            of(fn).validate((wrong,), {})


class TestDefinitions:
    """Found at the first send or at the start of a worker, since defining loads no pydantic."""

    @pytest.mark.parametrize("annotation", [Handle, list[Handle], Handle | None])
    def test_a_type_that_json_cannot_carry(self, annotation: Any) -> None:
        def fn(handle: Any) -> None: ...

        fn.__annotations__["handle"] = annotation
        with pytest.raises(DefinitionError, match=r"`handle: .*cannot be stored in a message.*such as an id"):
            of(fn).validate((Handle(),), {})

    def test_annotations_that_cannot_be_resolved(self) -> None:
        def fn(a: Unknown) -> None: ...  # type: ignore[name-defined]  # noqa: F821

        with pytest.raises(
            DefinitionError, match=r"its annotations cannot be resolved.*at the top of the module"
        ):
            _ = of(fn).model

    def test_a_default_that_its_own_type_refuses(self) -> None:
        def fn(a: int = None) -> None: ...  # type: ignore[assignment]  # noqa: RUF013

        with pytest.raises(DefinitionError, match="the default of `a` does not fit its type"):
            _ = of(fn).model

    def test_a_default_is_stored_as_its_type_makes_it(self) -> None:
        def fn(a: int = "7", b: list[int] = []) -> None: ...  # type: ignore[assignment]  # noqa: B006

        assert sent(of(fn)) == {"a": 7, "b": []}

    def test_an_argument_without_a_type_takes_any_json(self) -> None:
        def fn(a: int, b) -> None: ...  # type: ignore[no-untyped-def]

        assert sent(of(fn), 1, {"x": [1]}) == {"a": 1, "b": {"x": [1]}}


class TestFit:
    """The background lane binds and does not validate."""

    def test_takes_what_the_function_takes(self) -> None:
        def fn(a: Handle, /, *rest: int, b: int = 1, **options: int) -> None: ...

        of(fn).fit((Handle(), 1, 2), {"b": 1, "c": 2})

    @pytest.mark.parametrize(("args", "kwargs"), [((), {}), ((1, 2), {}), ((1,), {"a": 1}), ((1,), {"b": 1})])
    def test_refuses_what_it_does_not(self, args: Any, kwargs: Any) -> None:
        def fn(a: int) -> None: ...

        with pytest.raises(ArgumentsRefused, match=r"^task work: .*nothing will run"):
            of(fn).fit(args, kwargs)
