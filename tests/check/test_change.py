"""The change: small, applied by `patch`, and what it makes still parses and runs."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.check.code import checked

APP = """\
from fastapi import BackgroundTasks, FastAPI
from shop.jobs import forget, import_file, send_mail

app = FastAPI()


@app.post("/imports")
def create(name: str, background_tasks: BackgroundTasks):  # a comment that stays
    background_tasks.add_task(import_file,   name)


@app.post("/users")
def register(email: str, background_tasks: BackgroundTasks):
    background_tasks.add_task(send_mail, email, "welcome.html")
    background_tasks.add_task(unknown_to_all, email)


@app.post("/forgot")
def forgot(email: str, tasks_later: BackgroundTasks):
    tasks_later.add_task(send_mail, email, "password-reset.html")
"""
JOBS = '''\
"""Jobs."""

import smtplib


def import_file(name: str) -> None:
    session.commit()   # odd spacing


def send_mail(to: str, template: str) -> None:
    with smtplib.SMTP("mail") as server:
        server.sendmail("us", to, template)


def forget(key: str) -> None:
    cache.delete(key)
'''


@pytest.fixture
def changed(tmp_path: Path) -> Path:
    report = checked(tmp_path, shop__INIT="", shop__main=APP, shop__jobs=JOBS, changes=True)
    assert [bool(site.change) for site in report.sites] == [True, True, False, True]
    subprocess.run(["git", "apply", "-p1"], cwd=tmp_path, input=report.diff, text=True, check=True)
    return tmp_path / "shop"


def test_the_decorator_the_import_the_dependency_and_the_call(changed: Path) -> None:
    main, jobs = (changed / "main.py").read_text(), (changed / "jobs.py").read_text()
    assert '@tasks.task(if_lost="alert", because="writes to the database")\ndef import_file(' in jobs
    assert "from shop.lanes_of_app import tasks\n" in jobs
    assert "from twolane import Lanes\n" in main
    assert (
        "background_tasks: Lanes):  # a comment that stays\n    background_tasks.add_task(import_file,   name)"
        in main
    )
    assert "session.commit()   # odd spacing" in jobs
    assert (changed / "lanes_of_app.py").read_text() == "from twolane import Tasks\n\ntasks = Tasks()\n"
    assert "tasks.install(app)\n" in main


def test_one_function_with_two_answers_becomes_two_tasks(changed: Path) -> None:
    main, jobs = (changed / "main.py").read_text(), (changed / "jobs.py").read_text()
    assert 'send_mail_ignore = tasks.task(if_lost="ignore", name="send_mail_ignore"' in jobs
    assert 'send_mail_alert = tasks.task(if_lost="alert", name="send_mail_alert"' in jobs
    assert 'tasks_later.add_task(send_mail_alert, email, "password-reset.html")' in main


def test_a_handler_that_goes_on_with_others_takes_both(changed: Path) -> None:
    main = (changed / "main.py").read_text()
    assert "def register(email: str, background_tasks: BackgroundTasks, lanes: Lanes):" in main
    assert 'lanes.add_task(send_mail_ignore, email, "welcome.html")' in main
    assert "background_tasks.add_task(unknown_to_all, email)" in main


def test_what_was_changed_is_answered(changed: Path) -> None:
    from twolane.check.checking import check

    report = check(changed.parent)
    assert [site.callee for site in report.sites] == ["unknown_to_all"]
    assert report.all_findings == []


def test_a_session_is_not_handed_to_a_queue_by_a_machine(tmp_path: Path) -> None:
    text = """\
from fastapi import BackgroundTasks, Depends, FastAPI
from sqlalchemy.orm import Session
app = FastAPI()
def save(db: Session, n: int):
    db.commit()
@app.post("/")
def f(b: BackgroundTasks, db: Session = Depends(get_db)):
    b.add_task(save, db, 1)
"""
    report = checked(tmp_path, main=text, changes=True)
    assert [site.verdict for site in report.sites] == ["queue"]
    assert report.diff == ""


def test_line_ends_stay_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_bytes(APP.replace("shop.jobs", "jobs").replace("\n", "\r\n").encode())
    report = checked(tmp_path, jobs=JOBS, changes=True)
    changed = [line for line in report.diff.splitlines(keepends=True) if "Lanes" in line]
    assert changed
    assert all(line.endswith("\r\n") for line in changed)
