import csv
import datetime as dt
from decimal import Decimal

import pytest
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from twolane import csvfile


def test_several_problems_make_one_sentence(reason):
    class Booking(BaseModel):
        dep_time: int
        price: float
        paid: bool

    says = "dep_time must be a whole number, got '25h'; price must be a number, got 'x'; paid must be true or false, got '?'"

    assert reason(b"dep_time,price,paid\n25h,x,?\n", Booking) == (2, says)


@pytest.mark.parametrize(
    ("annotation", "value", "says"),
    [
        (int, "1.5", "must be a whole number, got '1.5'"),
        (int, "9" * 5000, "must be a whole number of fewer digits, got '" + "9" * 60 + "...'"),
        (Decimal, "x", "must be a number, got 'x'"),
        (dt.date, "31.12.2026", "must be a date such as 2026-11-30, got '31.12.2026'"),
        (dt.datetime, "soon", "must be a date and time such as 2026-11-30T14:05:00, got 'soon'"),
        (dt.time, "noon", "must be a time such as 14:05, got 'noon'"),
    ],
)
def test_types_are_named_in_plain_words(reason, annotation, value, says):
    model = type("Row", (BaseModel,), {"__annotations__": {"x": annotation}})

    assert reason(f"x\n{value}\n".encode(), model) == (2, f"x {says}")


def test_constraints_and_validators_speak_for_themselves(reason):
    class Row(BaseModel):
        seats: int = Field(default=1, ge=1)
        code: str = Field(default="ok", min_length=2)
        name: str = "x"

        @field_validator("name")
        @classmethod
        def no_digits(cls, value: str) -> str:
            if value.isdigit():
                raise ValueError("digits are no name")
            return value

        @model_validator(mode="after")
        def small(self):
            if self.seats > 10:
                raise ValueError("too many seats")
            return self

    assert reason(b"seats\n0\n", Row)[1] == "seats must be at least 1, got '0'"
    assert reason(b"code\na\n", Row)[1] == "code must have at least 2 characters, got 'a'"
    assert reason(b"name\n12\n", Row)[1] == "name: digits are no name, got '12'"
    assert reason(b"seats\n11\n", Row)[1] == "too many seats"


def test_the_sentence_names_the_column_not_the_field(reason):
    class Row(BaseModel):
        seats: int = Field(alias="Number of seats")

    assert reason(b"Number of seats\nx\n", Row)[1] == "Number of seats must be a whole number, got 'x'"


def test_text_is_converted_for_a_strict_model_too(read_all):
    class Strict(BaseModel):
        model_config = ConfigDict(strict=True)
        seats: int
        price: float = Field(strict=True)

    assert read_all(b"seats,price\n10,1.5\n", Strict)[0] == [Strict(seats=10, price=1.5)]


def test_a_ragged_row_is_rejected(reason):
    assert reason(b"number,seats\nUA1\n")[1] == "has too few fields: 1, where the file has 2 columns"
    assert reason(b"number,seats\nUA1,1,x\n")[1] == "has too many fields: 3, where the file has 2 columns"


def test_a_row_that_is_not_utf8_is_rejected_alone(read_all):
    rows, rejected, _ = read_all(b"number,seats\nUA1,1\nM\xfcnchen,2\nUA3,3\n", encoding="utf-8")

    assert [row.number for row in rows] == ["UA1", "UA3"]
    assert rejected == [
        csvfile.Rejected(3, "contains the byte 0xFC, which is not UTF-8 text", "M\\xfcnchen,2"),
    ]


def test_a_nul_byte_rejects_its_row_alone(read_all):
    rows, rejected, _ = read_all(b"number,seats\nUA1,1\nU\0A,2\nUA3,3\n")

    assert [row.number for row in rows] == ["UA1", "UA3"]
    assert rejected == [csvfile.Rejected(3, "contains a NUL byte, which is not text", "U\\x00A,2")]


def test_text_behind_a_closing_quote_is_rejected_and_its_line_ends_stay_in_place(read_all):
    rows, rejected, _ = read_all(b'number,seats\n"a"b,"1\n2"\nUA3,3\n')

    assert [row.number for row in rows] == ["UA3"]
    assert rejected == [
        csvfile.Rejected(
            2, "has text behind a closing quote: a quote inside a quoted field must be doubled", '"a"b,"1\n2"'
        ),
    ]


def test_a_quote_inside_an_unquoted_field_is_a_character(read_all):
    rows, _, _ = read_all(b'number,seats\n5" pipe,1\n6" pipe,2\n')

    assert [row.number for row in rows] == ['5" pipe', '6" pipe']


def test_a_long_field_is_rejected_by_bytes_not_characters(read_all, reason):
    limits = csvfile.Limits(max_field_bytes=10)

    assert reason("number,seats\néééééé,1\n".encode(), limits=limits) == (
        2,
        "has a field of more than 10 bytes",
    )
    assert len(read_all("number,seats,gate\nééééé,1,éé\n".encode(), limits=limits)[0]) == 1


def test_the_csv_modules_own_limit_rejects_the_row_not_the_file(read_all):
    before = csv.field_size_limit(20)
    try:
        limits = csvfile.Limits(max_field_bytes=20)
        csv.field_size_limit(7)
        rows, rejected, _ = read_all(b"number,seats\nUA1,1\nABCDEFGH,2\nUA3,3\n", limits=limits)
    finally:
        csv.field_size_limit(before)

    assert [row.number for row in rows] == ["UA1", "UA3"]
    assert rejected[0].reason == "has a field of more than 7 characters"


def test_a_bug_in_a_validator_is_no_rejected_row_and_names_its_line(read_all):
    class Row(BaseModel):
        seats: int

        @field_validator("seats")
        @classmethod
        def divide(cls, value: int) -> float:
            return 1 / value

    with pytest.raises(ZeroDivisionError) as raised:
        read_all(b"seats\n1\n0\n", Row)

    assert raised.value.__notes__ == ["raised by the row on line 3 of the CSV file"]
