import io
from typing import Annotated, Any, Literal, Optional

import pytest
from pydantic import AliasChoices, AliasPath, BaseModel, ConfigDict, Field

from twolane import csvfile


def test_missing_columns_are_all_named_with_what_is_there(flight):
    with pytest.raises(csvfile.CsvError) as refused:
        csvfile.check_head(io.BytesIO(b"gate,colour\n"), flight)

    assert str(refused.value) == (
        "The file lacks the columns 'number', 'seats'; its header row has 'gate', 'colour'."
    )


def test_another_separator_is_guessed_at(flight):
    with pytest.raises(csvfile.CsvError, match="must be separated by commas, semicolons"):
        csvfile.check_head(io.BytesIO(b"number:seats\nUA1:10\n"), flight)


def test_a_file_with_no_column_of_the_model_is_refused():
    class Sparse(BaseModel):
        gate: str | None = None

    with pytest.raises(csvfile.CsvError, match="none of the columns that can be imported"):
        csvfile.check_head(io.BytesIO(b"number,seats\n"), Sparse)


def test_a_long_header_is_cut_in_the_sentence(flight):
    header = ",".join("c" * 100 + str(number) for number in range(900)).encode()

    with pytest.raises(csvfile.CsvError) as refused:
        csvfile.check_head(io.BytesIO(header), flight)

    assert len(str(refused.value)) < 2_000


def test_extra_columns_are_ignored_even_by_a_model_that_forbids_them(read_all):
    class Closed(BaseModel):
        model_config = ConfigDict(extra="forbid")
        seats: int

    rows, _, _ = read_all(b"number,seats\nUA1,10\n", Closed)

    assert rows == [Closed(seats=10)]


def test_columns_may_come_in_any_order_and_optional_ones_may_lack(read_all, flight):
    rows, _, _ = read_all(b"seats,number\n10,UA1\n")

    assert rows == [flight(number="UA1", seats=10)]


def test_an_alias_is_the_name_of_the_column(read_all):
    class Aliased(BaseModel):
        seats: int = Field(alias="Number of seats")

    assert read_all(b"Number of seats\n10\n", Aliased)[0][0].seats == 10
    with pytest.raises(csvfile.CsvError, match="lacks the column 'Number of seats'"):
        read_all(b"seats\n10\n", Aliased)


def test_alias_choices_are_tried_in_order_and_the_name_where_the_model_says_so(read_all):
    class Chosen(BaseModel):
        model_config = ConfigDict(populate_by_name=True)
        seats: int = Field(validation_alias=AliasChoices(AliasPath("all", 0), "places", AliasPath("chairs")))

    for header in (b"places", b"chairs", b"seats"):
        assert read_all(header + b"\n10\n", Chosen)[0][0].seats == 10
    assert read_all(b"seats,chairs,places\n1,2,3\n", Chosen)[0][0].seats == 3


class Empties(BaseModel):
    old: Optional[int]  # noqa: UP045
    new: Annotated[int | None, Field(ge=0)]
    either: Literal["a", None]  # noqa: PYI061
    anything: Any
    default: int = 7
    none_first: int | None = 8
    text: str


def test_an_empty_field_is_none_or_the_default_or_text(read_all):
    header = b"old,new,either,anything,default,none_first,text\n"

    rows, rejected, _ = read_all(header + b",,,,,,\n", Empties)

    assert rejected == []
    assert rows[0].model_dump() == {
        "old": None,
        "new": None,
        "either": None,
        "anything": None,
        "default": 7,
        "none_first": None,
        "text": "",
    }


def test_an_empty_field_that_must_not_be_is_a_rejected_row(reason):
    assert reason(b"number,seats\nUA1,\n") == (2, "seats must be a whole number, got an empty field")
