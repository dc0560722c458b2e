"""The table of broken files: the sentence is the same at the head, in a read, and in a dry run."""

import io

import pytest

from tests.csvfile.broken import REFUSED, ROWS, Broken
from tests.docs.pages import ROOT
from twolane import csvfile


@pytest.mark.parametrize("broken", REFUSED, ids=str)
def test_a_broken_file_is_refused_in_a_sentence(flight, broken: Broken):
    with pytest.raises(csvfile.CsvError) as refused:
        csvfile.check_head(io.BytesIO(broken.data), flight)

    assert str(refused.value) == broken.sentence
    assert csvfile.check(io.BytesIO(broken.data), flight).refused == broken.sentence


@pytest.mark.parametrize("broken", REFUSED, ids=str)
def test_a_broken_file_has_no_rows_to_import(read_all, broken: Broken):
    if broken.kind == "only a header":
        assert read_all(broken.data)[0] == []  # which is no error once it was accepted
        return
    with pytest.raises(csvfile.CsvError) as refused:
        read_all(broken.data)
    assert str(refused.value) == broken.sentence


@pytest.mark.parametrize("broken", ROWS, ids=str)
def test_a_broken_row_is_rejected_with_its_line(read_all, flight, broken: Broken):
    rows, rejected, chunks = read_all(broken.data)
    report = csvfile.check(io.BytesIO(broken.data), flight)

    assert [(each.line, each.reason) for each in rejected] == [(broken.line, broken.sentence)]
    assert str(rejected[0]) == f"line {broken.line}: {broken.sentence}"
    assert len(rows) >= 1
    assert chunks[-1].offset_bytes == len(broken.data)
    assert report.problems == tuple(rejected)
    assert report.complete


@pytest.mark.parametrize("broken", REFUSED + ROWS, ids=str)
def test_the_page_for_customers_support_names_every_kind(broken: Broken):
    page = (ROOT / "docs" / "csvfile.md").read_text()

    assert f"| {broken.kind} |" in page
    assert broken.sentence.replace("|", "\\|") in page


def test_a_line_number_is_grouped_by_thousands():
    rejected = csvfile.Rejected(4812, "dep_time must be a whole number, got '25h'", "")

    assert str(rejected) == "line 4,812: dep_time must be a whole number, got '25h'"
