"""What cannot be read is said in one line, and the rest is checked."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.check.code import PRELUDE, checked
from twolane.check.checking import check
from twolane.check.files import HUGE_BYTES

BROKEN = {
    "does not parse": b"def f(:\n",
    "newer than any Python": b"match x:\n    case 1 => 2\n",
    "not UTF-8": b"name = '\xff\xfe'\n",
    "an encoding that nobody knows": b"# -*- coding: klingon -*-\n",
    "huge": b"x = 1\n" * (HUGE_BYTES // 6 + 1),
    "nested too deep": b"x = " + b"(" * 5000 + b")" * 5000,
    "a zero byte": b"x = '\0'\n",
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN)
def test_a_file_that_cannot_be_read(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "broken.py").write_bytes(content)
    report = checked(
        tmp_path, app=PRELUDE + "@app.post('/')\ndef f(b: BackgroundTasks):\n    b.add_task(os.remove, 'a')\n"
    )
    assert [site.path for site in report.sites] == ["app.py"]
    (finding,) = report.findings
    assert (finding.path, finding.code) == ("broken.py", "TL001")
    assert finding.reason.startswith("this file ")
    assert "\n" not in finding.reason
    assert not report.clean


def test_a_file_in_another_encoding_is_read(tmp_path: Path) -> None:
    text = "# -*- coding: latin-1 -*-\nfrom fastapi import BackgroundTasks\ndef f(b: BackgroundTasks):\n    b.add_task(print, 'é')\n"
    (tmp_path / "a.py").write_bytes(text.encode("latin-1"))
    (tmp_path / "b.py").write_bytes(b"\xef\xbb\xbfimport os\r\n")
    report = check(tmp_path)
    assert len(report.sites) == 1
    assert report.notes == []


def test_links_in_a_loop_end(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    (tmp_path / "self.py").symlink_to("self.py")
    (tmp_path / "nowhere.py").symlink_to("gone.py")
    report = checked(tmp_path, app=PRELUDE)
    assert report.files == 1
    said = {note.path: note.sentence for note in report.notes}
    assert "leads to a folder above it" in said["a/up"]
    assert "leads nowhere" in said["nowhere.py"]
    assert report.clean


def test_no_fastapi_at_all(tmp_path: Path) -> None:
    report = checked(tmp_path, app="import threading\n\ndef f():\n    threading.Thread(target=f).start()\n")
    assert report.headline == "no FastAPI or Starlette in 1 file: nothing to ask"
    assert report.clean


def test_nothing_of_the_code_is_run_or_written(tmp_path: Path) -> None:
    report = checked(
        tmp_path,
        app="import fastapi, os\nopen(os.path.dirname(__file__) + '/ran', 'w')\nraise SystemExit(3)\n",
        changes=True,
    )
    assert report.clean
    assert sorted(file.name for file in tmp_path.iterdir()) == ["app.py"]


def test_a_single_file_is_checked_even_if_it_is_a_test(tmp_path: Path) -> None:
    checked(
        tmp_path,
        test_app=PRELUDE + "@app.post('/')\ndef f(b: BackgroundTasks):\n    b.add_task(os.remove, 'a')\n",
    )
    assert len(check(tmp_path / "test_app.py").sites) == 1
