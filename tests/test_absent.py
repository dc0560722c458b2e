"""What is lacking skips a test, and fails it in CI."""

from __future__ import annotations

import pytest

from tests.absent import absent


def test_in_ci_nothing_may_be_lacking(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")

    with pytest.raises(pytest.fail.Exception, match=r"no strace, and in CI no test is skipped"):
        absent("no strace")


def test_elsewhere_it_is_the_reason_of_a_skip(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)

    with pytest.raises(pytest.skip.Exception, match="no strace"):
        absent("no strace")
