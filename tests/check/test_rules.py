"""Every rule: its examples do what its page says, and its page is the one in the docs."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.check.code import PRELUDE, checked, codes
from twolane.check.pages import page
from twolane.check.rule import Rule
from twolane.check.rules import EVIDENCE, FINDINGS, RULES

DOCS = Path(__file__).parents[2] / "docs" / "rules"
by_code = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)


def found(folder: Path, example: str) -> set[str]:
    folder.mkdir(parents=True)
    (folder / "gunicorn.conf.py").write_text("graceful_timeout = 30\n")
    return codes(checked(folder, main=PRELUDE + example))


@by_code
def test_the_bad_example_breaks_it_and_the_good_one_does_not(rule: Rule, tmp_path: Path) -> None:
    bad, good = found(tmp_path / "bad", rule.bad), found(tmp_path / "good", rule.good)
    if rule.says == "background":
        assert rule.code in good
    else:
        assert rule.code in bad
        assert rule.code not in good


@pytest.mark.parametrize(
    "rule", [each for each in EVIDENCE if each.says == "queue"], ids=lambda rule: rule.code
)
def test_evidence_for_the_queue_makes_its_example_a_queue(rule: Rule, tmp_path: Path) -> None:
    report = checked(tmp_path, main=PRELUDE + rule.bad)
    assert [site.verdict for site in report.sites] == [
        "queue" if rule.weight >= 3 or rule.code == "TL115" else "unsure"
    ]


@pytest.mark.parametrize(
    "rule", [each for each in EVIDENCE if each.says == "background"], ids=lambda rule: rule.code
)
def test_what_is_harmless_is_told_from_what_only_looks_so(rule: Rule, tmp_path: Path) -> None:
    harmless = checked(tmp_path / "good", main=PRELUDE + rule.good)
    other = checked(tmp_path / "bad", main=PRELUDE + rule.bad)
    assert {site.verdict for site in harmless.sites} == {"background"}
    assert "background" not in {site.verdict for site in other.sites}


@by_code
def test_a_rule_says_what_and_why(rule: Rule) -> None:
    assert rule.title
    assert len(rule.reason) > 80
    assert rule.code != "TL001" or rule.bad
    ast.parse(rule.good)
    if rule.code != "TL001":
        ast.parse(rule.bad)


@by_code
def test_its_page_is_in_the_docs(rule: Rule) -> None:
    file = DOCS / f"{rule.code}.md"
    assert file.read_text() == page(rule), f"write it anew: twolane check --explain {rule.code} > {file}"


def test_every_page_has_its_rule() -> None:
    assert {file.stem for file in DOCS.glob("TL*.md")} == {rule.code for rule in RULES}


def test_codes_are_unique_and_each_rule_is_listed_once() -> None:
    listed = [rule.code for rule in RULES]
    assert len(listed) == len(set(listed))
    assert all(rule.says != "finding" for rule in EVIDENCE)
    assert all(rule.says == "finding" for rule in FINDINGS)
