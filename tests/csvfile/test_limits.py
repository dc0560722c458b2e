import csv

import pytest

from twolane.csvfile import Limits
from twolane.values.errors import UsageError


@pytest.mark.parametrize(
    "name", ["max_field_bytes", "max_record_bytes", "max_columns", "max_rows", "max_bytes", "max_expansion"]
)
def test_a_limit_below_one_is_refused_by_name(name):
    with pytest.raises(UsageError, match=name):
        Limits(**{name: 0})


def test_a_field_the_csv_module_would_refuse_needs_its_limit_raised_first():
    before = csv.field_size_limit()

    with pytest.raises(UsageError, match=r"csv\.field_size_limit"):
        Limits(max_field_bytes=before + 1)


def test_the_defaults_hold_where_the_csv_modules_limit_was_lowered():
    before = csv.field_size_limit(100)
    try:
        assert Limits().max_field_bytes == 131_072
    finally:
        csv.field_size_limit(before)
