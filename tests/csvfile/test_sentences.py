"""No customer reads pydantic: every kind of error has a sentence in plain words."""

import datetime as dt
import enum
import re
from decimal import Decimal
from typing import Annotated, Literal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import (
    AfterValidator,
    AnyUrl,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ByteSize,
    Field,
    FutureDate,
    HttpUrl,
    IPvAnyAddress,
    Json,
    NaiveDatetime,
    PastDate,
    StrictInt,
    StringConstraints,
    ValidationError,
    conlist,
)
from pydantic_core import InitErrorDetails, PydanticCustomError
from pydantic_core._pydantic_core import list_all_errors

from twolane.csvfile.sentences import PHRASES, sentence_of

JARGON = re.compile(
    r"Input should|type=|\bInput\b|\b(?:instance|dict|tuple|NoneType|callable|object)\b|Error\b|Row\b|Colour\b"
    r"|\[|function-|constrained|_parsing|pydantic"
)


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Place(BaseModel):
    zip_code: int


def even(value: int) -> int:
    if value % 2:
        raise ValueError("must be even")
    return value


def parts(value: str) -> list[str]:
    return value.split("/")


def place(value: str) -> dict[str, str]:
    return {"zip_code": value}


SAID = [
    (Annotated[int, Field(ge=1)], "0", "must be at least 1, got '0'"),
    (Annotated[int, Field(gt=1)], "1", "must be greater than 1, got '1'"),
    (Annotated[int, Field(le=9)], "10", "must be at most 9, got '10'"),
    (Annotated[float, Field(lt=9.5)], "10", "must be less than 9.5, got '10'"),
    (Annotated[int, Field(multiple_of=5)], "7", "must be a multiple of 5, got '7'"),
    (
        Annotated[dt.date, Field(ge=dt.date(2026, 1, 1))],
        "2025-12-31",
        "must be at least 2026-01-01, got '2025-12-31'",
    ),
    (Annotated[str, Field(min_length=1)], "", "must have at least 1 character, got an empty field"),
    (Annotated[str, Field(max_length=3)], "abcd", "must have at most 3 characters, got 'abcd'"),
    (
        Annotated[str, StringConstraints(pattern="^[A-Z]{3}$")],
        "ab",
        "must have the form ^[A-Z]{3}$, got 'ab'",
    ),
    (Colour, "green", "must be 'red' or 'blue', got 'green'"),
    (Literal["a", "b", "c"], "d", "must be 'a', 'b' or 'c', got 'd'"),
    (bool, "perhaps", "must be true or false, got 'perhaps'"),
    (StrictInt, "x", "must be a whole number, got 'x'"),
    (Decimal, "1,5", "must be a number, got '1,5'"),
    (Annotated[Decimal, Field(max_digits=3)], "1234", "must be a number of at most 3 digits, got '1234'"),
    (
        Annotated[Decimal, Field(decimal_places=1)],
        "1.25",
        "must be a number of at most 1 decimal place, got '1.25'",
    ),
    (Annotated[float, Field(allow_inf_nan=False)], "nan", "must be a finite number, got 'nan'"),
    (dt.date, "31.12.2026", "must be a date such as 2026-11-30, got '31.12.2026'"),
    (dt.date, "2026-02-30", "must be a date such as 2026-11-30, got '2026-02-30'"),
    (dt.datetime, "soon", "must be a date and time such as 2026-11-30T14:05:00, got 'soon'"),
    (dt.timedelta, "long", "must be a duration such as 02:30:00 or PT2H30M, got 'long'"),
    (PastDate, "2999-01-01", "must be a date in the past, got '2999-01-01'"),
    (FutureDate, "1999-01-01", "must be a date in the future, got '1999-01-01'"),
    (NaiveDatetime, "2026-11-30T14:05:00Z", "must be a time without a time zone, got '2026-11-30T14:05:00Z'"),
    (
        AwareDatetime,
        "2026-11-30T14:05:00",
        "must be a time with a time zone, such as 2026-11-30T14:05:00+01:00, got '2026-11-30T14:05:00'",
    ),
    (UUID, "x", "must be a UUID, got 'x'"),
    (AnyUrl, "x", "must be a web address such as https://example.com, got 'x'"),
    (HttpUrl, "ftp://x", "must be a web address that begins with 'http' or 'https', got 'ftp://x'"),
    (IPvAnyAddress, "x", "must be a valid IPv4 or IPv6 address, got 'x'"),
    (Json[int], "{", "must be JSON, got '{'"),
    (int | Literal["NA"], "x", "must be a whole number or 'NA', got 'x'"),
    (int | Literal["NA"] | None, "x", "must be a whole number or 'NA', got 'x'"),
    (int | dt.date, "x", "must be a whole number or a date such as 2026-11-30, got 'x'"),
    (Annotated[int, AfterValidator(even)], "7", "must be even, got '7'"),
    (
        Annotated[conlist(int, min_length=1), BeforeValidator(parts)],
        "1/x",
        ", item 2 must be a whole number, got 'x'",
    ),
    (Annotated[Place, BeforeValidator(place)], "x", ", zip_code must be a whole number, got 'x'"),
]


def row_of(annotation: object) -> type[BaseModel]:
    return type("Row", (BaseModel,), {"__annotations__": {"field": annotation}})


@pytest.mark.parametrize(("annotation", "value", "says"), SAID)
def test_a_type_is_asked_for_in_plain_words(reason, annotation, value, says):
    between = "" if says.startswith(",") else " "

    line, said = reason(
        f'field,x\n"{value}",\n'.encode() if "," in value else f"field,x\n{value},y\n".encode(),
        row_of(annotation),
    )

    assert (line, said) == (2, f"field{between}{says}")


VALUES = st.sampled_from(
    ["", "x", "1.5", "-1", "nan", "2026-01-01", "{}", "[1]", "a@b", "http://", "None"]
) | st.text(st.characters(codec="utf-8", exclude_characters='\0\r\n",'), max_size=8)
TYPES = st.sampled_from([annotation for annotation, _, _ in SAID] + [ByteSize, complex, bytes, dt.time])


@given(st.lists(TYPES, min_size=1, max_size=4), VALUES)
def test_no_sentence_of_any_type_has_jargon(annotations, value):
    from twolane.csvfile.fields import fields_of

    fields = {f"f{number}": annotation for number, annotation in enumerate(annotations)}
    model = type("Row", (BaseModel,), {"__annotations__": fields})
    choices = frozenset(field.key for field in fields_of(model, {}) if field.is_choice)
    try:
        model.model_validate(dict.fromkeys(fields, value), strict=False)
    except ValidationError as error:
        said = sentence_of(error, {}, choices).replace(repr(value), "").replace("^[A-Z]{3}$", "")
        assert not JARGON.search(said), said


@pytest.mark.parametrize("kind", [error["type"] for error in list_all_errors()])
def test_every_error_that_pydantic_knows_is_said_without_jargon(kind):
    example = next(error for error in list_all_errors() if error["type"] == kind)
    context = dict(example.get("example_context") or {})
    if "error" in context and context["error"] is None:
        context["error"] = ValueError("seats are sold out")
    problem = InitErrorDetails(type=kind, loc=("seats",), input="x", ctx=context)

    said = sentence_of(ValidationError.from_exception_data("Row", [problem]), {}, frozenset())

    assert said.startswith("seats")
    assert not JARGON.search(said), said
    assert "{" not in said


def test_every_phrase_is_for_an_error_that_there_is():
    assert PHRASES.keys() <= {error["type"] for error in list_all_errors()}


@pytest.mark.parametrize(
    ("message", "says"),
    [
        (
            "value is not a valid email address: An email address must have an @-sign.",
            "must be a valid email address",
        ),
        ("value is not a valid IPv4 network", "must be a valid IPv4 network"),
        ("Input is not a valid path", "must be a valid path"),
        ("Input should be a Frobnicator instance", "is not valid"),
        ("String should have even length", "must have even length"),
        ("the flight was cancelled", ": the flight was cancelled"),
    ],
)
def test_errors_of_other_libraries_are_said_as_far_as_they_can(message, says):
    problem = InitErrorDetails(type=PydanticCustomError("own", message), loc=("x",), input="a")
    between = "" if says.startswith(":") else " "

    said = sentence_of(ValidationError.from_exception_data("Row", [problem]), {}, frozenset())

    assert said == f"x{between}{says}, got 'a'"


def test_a_list_of_choices_without_end_is_cut():
    countries = Literal[tuple(f"country {number}" for number in range(300))]
    with pytest.raises(ValidationError) as refused:
        row_of(countries).model_validate({"field": "x"})
    assert len(sentence_of(refused.value, {}, frozenset())) < 300
