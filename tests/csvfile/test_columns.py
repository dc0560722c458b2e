import io
from typing import Annotated, Any, Literal, Optional

import pytest
from pydantic import AliasChoices, AliasPath, BaseModel, ConfigDict, Field

from twolane import csvfile
from twolane.values.errors import UsageError


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


@pytest.mark.parametrize(
    "header",
    [
        "Dep Time,SEATS",
        "dep-time,Seats",
        "DEP_TIME, seats ",
        "depTime,seats",
        '"dep\ntime",seats',
        "\uff44\uff45\uff50 time,seats",
    ],
)
def test_case_spaces_underscores_and_hyphens_make_no_difference(read_all, header):
    class Row(BaseModel):
        dep_time: int
        seats: int

    rows, rejected, _ = read_all(header.encode() + b"\n517,10\n", Row)

    assert rows == [Row(dep_time=517, seats=10)]
    assert rejected == []


def test_a_sentence_says_the_columns_name_as_the_file_has_it(reason):
    class Row(BaseModel):
        dep_time: int

    assert reason(b"Dep Time\n25h\n", Row)[1] == "Dep Time must be a whole number, got '25h'"


def test_the_same_letters_win_over_similar_ones(read_all, flight):
    data = b"Number,number,seats,SEATS\nno,UA1,1,no\n"

    report = csvfile.check_head(io.BytesIO(data), flight)

    assert read_all(data)[0] == [flight(number="UA1", seats=1)]
    assert report.extra == ("Number", "SEATS")


def test_a_column_that_is_named_twice_but_not_needed_is_ignored(read_all, flight):
    data = b"number,x,seats,x\nUA1,a,1,b\n"

    assert read_all(data)[0] == [flight(number="UA1", seats=1)]
    assert csvfile.check_head(io.BytesIO(data), flight).extra == ("x", "x")


def test_columns_may_have_further_names(read_all, flight):
    data = b"Flight No.,Free places\nUA1,10\n"
    columns = {"flight no.": "number", "free_places": "seats", "never there": "gate"}

    assert read_all(data, columns=columns)[0] == [flight(number="UA1", seats=10)]
    assert read_all(b"number,seats\nUA1,10\n", columns=columns)[0] == [flight(number="UA1", seats=10)]
    with pytest.raises(csvfile.CsvError, match=r"lacks the column 'flight no\.'"):
        read_all(b"free places\n10\n", columns=columns)


def test_a_further_name_goes_to_a_field_with_an_alias_too(read_all):
    class Aliased(BaseModel):
        seats: int = Field(alias="Number of seats")

    assert read_all(b"places\n10\n", Aliased, columns={"places": "seats"})[0][0].seats == 10


def test_a_file_without_a_header_is_read_by_place(read_all, flight, reason):
    data = b"\n10,junk,UA1\n20,junk,UA2\nx,junk,UA3\n"
    options = {"header": False, "columns": ["seats", None, "number"]}

    rows, rejected, chunks = read_all(data, chunk_rows=1, **options)

    assert [(row.number, row.seats) for row in rows] == [("UA1", 10), ("UA2", 20)]
    assert [str(each) for each in rejected] == ["line 4: seats must be a whole number, got 'x'"]
    assert read_all(data, start=chunks[0].cursor, **options)[0] == rows[1:]
    assert csvfile.check_head(io.BytesIO(data), flight, **options).extra == ("column 2",)


def test_without_a_header_the_columns_are_the_fields_in_their_order(read_all, flight):
    rows, _, _ = read_all(b"UA1;10;\nUA2;20;C3\n", header=False)

    assert rows == [flight(number="UA1", seats=10), flight(number="UA2", seats=20, gate="C3")]


def test_without_a_header_too_few_columns_are_refused(flight):
    with pytest.raises(csvfile.CsvError, match="has 1 columns without names, and lacks those for 'seats'"):
        csvfile.check_head(io.BytesIO(b"UA1\nUA2\n"), flight, header=False)
    with pytest.raises(csvfile.CsvError, match=r"is empty: it needs at least one row\."):
        csvfile.check_head(io.BytesIO(b"\n"), flight, header=False)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"columns": {"places": "sites"}}, "'sites': no field of Flight"),
        ({"columns": ["number", "seats"]}, "goes with header=False"),
        ({"columns": {"a": "seats"}, "header": False}, "takes columns as a list"),
        ({"columns": "ab", "header": False}, "is a dict of names"),
        ({"columns": ["number"], "header": False}, "lacks 'seats', which Flight requires"),
    ],
)
def test_columns_that_cannot_be_are_refused_at_the_call(flight, options, says):
    for call in (csvfile.read, csvfile.check, csvfile.check_head):
        with pytest.raises(UsageError, match=says):
            call(io.BytesIO(b"number,seats\n"), flight, **options)


def test_rows_of_separators_alone_are_blank_where_they_are_no_rows(read_all):
    rows, rejected, chunks = read_all(b"number,seats\nUA1,1\n,\n,\n,\n")

    assert len(rows) == 1
    assert rejected == []
    assert chunks[-1].line == 5
