"""The Python of README and docs is run, page by page, each page as one module; then its app is used.

What a page leaves to the reader (`save`, `bank`, an import that every reader knows) is in its prelude here.
"""

from __future__ import annotations

import importlib
import io
import json
import re
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from tests.docs.pages import PAGES, ROOT, Fence, fences
from twolane.aws_lambda.door import Door
from twolane.aws_lambda.sweeping import Sweep

PRELUDES = {
    "README.md": """
import queue
from uuid import UUID, uuid5
from fastapi import Depends, HTTPException
from twolane import GiveUp, RetryLater, given

saved, rejected = queue.SimpleQueue(), queue.SimpleQueue()

def save(customer_id, rows):
    saved.put((customer_id, rows))

def reject(customer_id, rows):
    rejected.put((customer_id, rows))

class bank:
    class Busy(Exception):
        seconds = 30
    class CardExpired(Exception):
        pass
    @staticmethod
    def charge(customer_id, cents, *, idempotency_key):
        if cents > 100: raise bank.Busy
        if cents > 10: raise bank.CardExpired
        return idempotency_key

class Ledger:
    def customers(self, month):
        return [1, 2]

def get_ledger():
    return Ledger()
""",
    "csvfile.md": """
saved, told = [], []
save, tell_customer = saved.append, told.append
""",
    "status.md": """
owners = {}

def user_of(request):
    return request.headers.get("x-user")
""",
    "alerts.md": """
from twolane import Death, Tasks

refunds = []
""",
    "deploy.md": """
from fastapi import Depends, FastAPI
from twolane import Lanes, Tasks, Ticket

tasks, app = Tasks(), FastAPI()
tasks.install(app)
""",
    "tasks.md": """
class Locked(Exception):
    pass

class Session:
    def __init__(self, kept):
        self.kept, self.open = kept, set(kept)
    def add(self, number):
        self.open.add(number)
    def remove(self, number):
        self.open.discard(number)
    def commit(self):
        self.kept.clear()
        self.kept.update(self.open)
    def rollback(self):
        self.open.clear()

class Pool:
    kept = {1}
    def session(self):
        return Session(self.kept)
""",
}
APP = "from fastapi import FastAPI\nfrom twolane import Tasks\ntasks, app = Tasks(), FastAPI()\ntasks.install(app)\n"
RUN = [page for page in PAGES if fences(page, "python")]
Run = Callable[[str], ModuleType]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a page's snippets as one module, whose file would lie in a folder of its own."""
    for name in ("TWOLANE_QUEUE", "TWOLANE_WORKER", "TWOLANE_APP", "TWOLANE_ALERTS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").write_text("")

    def run(name: str) -> ModuleType:
        page = next(page for page in RUN if page.name == name)
        module = ModuleType("main")
        module.__file__ = str(tmp_path / "main.py")
        monkeypatch.setitem(sys.modules, "main", module)
        exec(compile(PRELUDES.get(name, ""), module.__file__, "exec", dont_inherit=True), module.__dict__)  # noqa: S102
        for fence in fences(page, "python"):
            source = "\n" * (fence.line - 1) + fence.code
            exec(compile(source, module.__file__, "exec", dont_inherit=True), module.__dict__)  # noqa: S102
        return module

    return run


@pytest.mark.parametrize("fence", [fence for page in RUN for fence in fences(page, "python")], ids=str)
def test_a_snippet_is_python(fence: Any) -> None:
    compile(fence.code, str(fence), "exec", dont_inherit=True)


@pytest.mark.parametrize("page", [page.name for page in RUN])
def test_a_page_runs(run: Run, page: str) -> None:
    run(page)


def test_the_fences_say_their_language() -> None:
    told = {fence.language for page in PAGES for fence in fences(page)}
    assert told <= {"python", "console", "ini", "yaml", "javascript", "json", ""}
    assert not [
        fence for page in PAGES for fence in fences(page, "") if re.search(r"^(from|import|def) ", fence.code)
    ]


@pytest.mark.parametrize("fence", [fence for page in PAGES for fence in fences(page, "json")], ids=str)
def test_what_is_to_be_json_is_some(fence: Fence) -> None:
    json.loads(fence.code)


class TestReadme:
    def test_the_import_is_accepted_and_runs(self, run: Run) -> None:
        from fastapi.testclient import TestClient

        main = run("README.md")
        file = ("flights.csv", b"number,seats\nLH1,180\nLH2,many\n", "text/csv")
        with TestClient(main.app) as client:
            answer = client.post("/imports", params={"customer_id": 7}, files={"file": file})
            assert answer.status_code == 202
            assert answer.json()["task"] == "main:import_flights"
            assert answer.json()["lane"] == "queue"
            customer, rows = main.saved.get(timeout=30)
            assert (customer, rows) == (7, [main.Flight(number="LH1", seats=180)])
            customer, (rejected,) = main.rejected.get(timeout=30)
            assert (customer, rejected.line) == (7, 3)

    def test_the_mail_runs_after_the_response(self, run: Run) -> None:
        from fastapi.testclient import TestClient

        client = TestClient(run("README.md").app)
        assert client.post("/subscribe", params={"email": "ann@example.org"}).status_code == 200

    def test_the_audit_entry_goes_although_the_login_is_refused(self, run: Run) -> None:
        from fastapi.testclient import TestClient

        main = run("README.md")
        assert TestClient(main.app).post("/login", params={"email": "ann@example.org"}).status_code == 401
        assert accepted(main) == 1

    def test_a_reminder_that_is_asked_for_twice_is_sent_once(self, run: Run) -> None:
        from fastapi.testclient import TestClient

        main = run("README.md")
        client = TestClient(main.app)
        url = "/orders/00000000-0000-7000-8000-000000000001/reminder"
        first, second = (client.post(url, params={"email": "ann@example.org"}) for _ in "12")
        assert (first.status_code, second.status_code) == (202, 202)
        assert first.json() == second.json()
        assert accepted(main) == 1

    def test_a_task_says_what_should_become_of_it(self, run: Run) -> None:
        main = run("README.md")
        context = SimpleNamespace(id="the id")
        assert main.charge(context, 1, 5) == "the id"
        with pytest.raises(main.RetryLater) as later:
            main.charge(context, 1, 500)
        assert later.value.after_s == 30
        with pytest.raises(main.GiveUp, match="the card has expired"):
            main.charge(context, 1, 50)

    def test_a_task_with_a_dependency_sends_others(self, run: Run) -> None:
        from twolane.testing import open_inbox

        main = run("README.md")
        with open_inbox(main.tasks) as inbox:
            main.tasks.send_blocking(main.close_month, "2026-11")
            assert inbox.drain(check=True)[0].task == "main:close_month"
            assert [each.args["customer_id"] for each in inbox.sent(main.charge)] == [1, 2]

    def test_the_example_is_the_first_thing_on_the_page(self) -> None:
        assert fences(ROOT / "README.md")[0].line <= 10


class TestAws:
    @pytest.mark.parametrize(
        ("file", "name", "kind"), [("worker.py", "handler", Door), ("sweeper.py", "sweep", Sweep)]
    )
    def test_the_code_of_a_function_makes_its_handler(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, name: str, kind: type[Door | Sweep]
    ) -> None:
        shown = f"$ cat {file}\n"
        [code] = [
            each.code for each in fences(ROOT / "docs" / "aws.md", "console") if each.code.startswith(shown)
        ]
        (tmp_path / file).write_text(code.removeprefix(shown))
        (tmp_path / "app").mkdir()
        (tmp_path / "app" / "main.py").write_text(APP)
        for variable, value in (
            ("QUEUE", "sqs://shop"),
            ("STATE", "dynamodb://shop"),
            ("BLOBS", "s3://shop"),
        ):
            monkeypatch.setenv(f"TWOLANE_{variable}", value)
        monkeypatch.syspath_prepend(tmp_path)

        for each in (file.removesuffix(".py"), "app", "app.main"):
            monkeypatch.setitem(
                sys.modules, each, ModuleType(each)
            )  # afterwards there is again what was before
            del sys.modules[each]

        module = importlib.import_module(file.removesuffix(".py"))

        assert isinstance(getattr(module, name), kind)


class TestDeploy:
    def test_a_task_is_stored_when_its_order_is_committed(self, run: Run) -> None:
        from fastapi.testclient import TestClient

        main = run("deploy.md")
        with sqlite3.connect("shop.db") as shop:
            shop.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, item TEXT)")
        shop.close()
        assert TestClient(main.app).post("/orders", params={"item": "tea"}).status_code == 202
        assert accepted(main) == 1
        shop = sqlite3.connect("shop.db")
        assert shop.execute("SELECT item FROM orders").fetchall() == [("tea",)]
        shop.close()


class TestStatus:
    def test_a_customer_watches_an_import_and_nobody_else_does(self, run: Run) -> None:
        from fastapi.testclient import TestClient

        main = run("status.md")
        ann, bob = {"x-user": "ann"}, {"x-user": "bob"}
        with TestClient(main.app) as client:
            for content, state, message, result in (
                (b"1\n2\n", "done", None, {"lines": 2}),
                (b"", "dead", "The file is empty.", None),
            ):
                ticket = client.post("/imports", files={"file": ("a.csv", content)}, headers=ann).json()
                url = ticket["status_url"]
                assert url == f"/imports/{ticket['id']}"
                assert '"state":"' + state in client.get(url + "/events", headers=ann).text
                status = client.get(url, headers=ann).json()
                assert (status["state"], status["message"], status["result"]) == (state, message, result)
                assert client.get(url, headers=bob).status_code == 404
                assert client.post(url + "/cancel", headers=ann).json() == {"state": state}
                assert client.post(url + "/cancel", headers=bob).status_code == 404


class TestTesting:
    def test_its_tests_pass(self, run: Run, twolane: Any) -> None:
        main = run("testing.md")
        tests = [value for name, value in vars(main).items() if name.startswith("test_")]
        assert len(tests) == 5
        for test in tests:
            test(twolane)


def accepted(main: ModuleType) -> int:
    """How many messages the queue of a page's app has accepted."""
    try:
        count: int = main.tasks.runtime.stores.records.stats().accepted
    finally:
        main.tasks.close()
    return count


def test_the_preludes_have_a_page() -> None:
    assert set(PRELUDES) <= {page.name for page in RUN}


class TestTasks:
    def test_an_order_is_committed_by_its_dependency_and_the_month_closes_it(self, run: Run) -> None:
        from fastapi.testclient import TestClient

        from twolane.testing import open_inbox

        main = run("tasks.md")
        with open_inbox(main.tasks) as inbox, TestClient(main.app) as client:
            assert client.post("/orders/7").status_code == 200
            assert inbox.sent()[0].args == {"number": 7}
            inbox.drain(check=True)
            assert main.Pool.kept == {1, 7}
            month = main.tasks.send_blocking(main.close_month, "2026-11")
            ran = inbox.drain(check=True)
            assert [each.record.parent for each in ran] == [None, month.id, month.id, month.id]
            assert main.Pool.kept == {7}


def test_the_csv_page_imports_resumes_and_tells(run: Run) -> None:
    page = run("csvfile.md")
    data = b"Number;Seats;colour\nUA1;1;red\nUA2;25h;red\n"

    page.refuse_early(io.BytesIO(data))
    page.import_flights(io.BytesIO(data))

    assert [row.number for rows in page.saved for row in rows] == ["UA1"]
    problem = "line 3: Seats must be a whole number, got '25h'"
    assert page.told == [problem]
    assert page.dry_run(io.BytesIO(data)) == ["The column 'colour' is ignored.", problem]
    assert page.dry_run(io.BytesIO(b"%PDF"))[0].startswith("This is a PDF document")
    assert next(page.by_other_names(io.BytesIO(b"Flight No;Free Places\nUA1;7\n"))).rows[0].seats == 7
    assert next(page.by_place(io.BytesIO(b"UA1,x,7\n"))).rows[0].seats == 7
