from __future__ import annotations

import pytest

from twolane.price import figures


@pytest.fixture(scope="session")
def us_east() -> figures.Figures:
    return figures.Figures(figures.shipped(), "us-east-1")
