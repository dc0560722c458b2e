"""A change wherever a smallest one exists, one sentence where none does; and no patch does more than it says."""

from __future__ import annotations

import ast
import subprocess
from pathlib import Path

import pytest

from tests.check.code import PRELUDE, checked
from twolane.check.checking import check
from twolane.check.rules import RULES

JOB = """
def book(order_id: int) -> None:
    session.commit()

async def push(order_id: int) -> None:
    requests.post("https://warehouse.example.org", json={"id": order_id})
"""
SENT = [
    (
        "a service",
        """
class Orders:
    async def create(self, bg: BackgroundTasks) -> None:
        bg.add_task(book,
                    1)  # odd
""",
        "        await tasks.send(book,\n                    1)  # odd\n",
    ),
    (
        "an object that keeps it",
        """
class Orders:
    def __init__(self, bg: BackgroundTasks) -> None:
        self.bg = bg

    async def create(self) -> None:
        self.bg.add_task(book, order_id=1)
""",
        "        await tasks.send(book, order_id=1)\n",
    ),
    (
        "a name that is taken",
        """
async def helper(tasks: BackgroundTasks) -> None:
    tasks.add_task(book, 1)
""",
        "    await lane_tasks.send(book, 1)\n",
    ),
    (
        "create_task",
        """
@app.post("/orders")
async def create(order_id: int) -> None:
    asyncio.create_task( push(order_id) )
""",
        "    await tasks.send(push, order_id )\n",
    ),
    (
        "create_task over lines",
        """
@app.post("/orders")
async def create(order_id: int) -> None:
    asyncio.create_task(push(
        order_id,  # this one
    ))
""",
        "    await tasks.send(push, \n        order_id,  # this one\n    )\n",
    ),
    (
        "a nested function",
        """
@app.post("/orders")
async def create(bg: BackgroundTasks) -> None:
    async def later() -> None:
        bg.add_task(book, 1)
    await later()
""",
        "        await tasks.send(book, 1)\n",
    ),
]
BY_HAND = [
    (
        "@app.post('/o')\ndef f(bg: BackgroundTasks):\n    bg.add_task(lambda: session.commit())\n",
        "cannot name a lambda",
    ),
    (
        (
            "class Orders:\n    def book(self, n: int):\n        session.commit()\n"
            "@app.post('/o')\ndef f(bg: BackgroundTasks):\n    bg.add_task(Orders().book, 1)\n"
        ),
        "book is a method: write a function of the module",
    ),
    (
        "@app.post('/o')\ndef f(bg: BackgroundTasks):\n    def inner():\n        session.commit()\n    bg.add_task(inner)\n",
        "inner stands in another function",
    ),
    (
        (
            "@retry(3)\ndef book(n: int):\n    session.commit()\n"
            "@app.post('/o')\ndef f(bg: BackgroundTasks):\n    bg.add_task(book, 1)\n"
        ),
        "book has a decorator, @retry(3)",
    ),
    (
        "def book(n):\n    session.commit()\n@app.post('/o')\ndef f(bg: BackgroundTasks):\n    bg.add_task(book, 1)\n",
        "n of book has no type",
    ),
    (
        (
            "def book(db: Session):\n    db.commit()\n"
            "@app.post('/o')\ndef f(bg: BackgroundTasks, db: Session = Depends(get)):\n    bg.add_task(book, db)\n"
        ),
        "db of book is a Session, which no message carries",
    ),
    (
        (
            "def keep(content: bytes):\n    session.commit()\n@app.post('/o')\n"
            "async def f(file: UploadFile, bg: BackgroundTasks):\n    bg.add_task(keep, await file.read())\n"
        ),
        "lanes.store(file)",
    ),
    (
        (
            "def book(n: int):\n    session.commit()\n@app.post('/o')\n"
            "def f():\n    return JSONResponse({}, background=BackgroundTask(book, 1))\n"
        ),
        "it hangs on a response",
    ),
    (
        (
            "def book(n: int):\n    session.commit()\n@app.post('/o')\n"
            "def f():\n    threading.Thread(target=book, args=(1,)).start()\n"
        ),
        "a Thread has no lane",
    ),
    (
        "def book(n: int):\n    session.commit()\ndef helper(bg: BackgroundTasks):\n    bg.add_task(book, 1)\n",
        "a function that cannot await",
    ),
    (
        (
            "async def push(n: int):\n    session.commit()\n@app.post('/o')\n"
            "async def f():\n    kept = asyncio.create_task(push(1))\n    pending.add(kept)\n"
        ),
        "the task object is kept here",
    ),
]


def applied(folder: Path, diff: str) -> None:
    subprocess.run(["git", "apply", "-p1"], cwd=folder, input=diff, text=True, check=True)


@pytest.mark.parametrize(("what", "text", "after"), SENT, ids=[what for what, _, _ in SENT])
def test_what_is_no_handler_sends_at_once(what: str, text: str, after: str, tmp_path: Path) -> None:
    del what
    report = checked(tmp_path, main=PRELUDE + JOB + text, changes=True)
    assert [site.by_hand for site in report.sites] == [""]
    applied(tmp_path, report.diff)
    changed = (tmp_path / "main.py").read_text()
    assert after in changed
    ast.parse(changed)
    assert check(tmp_path).sites == []


@pytest.mark.parametrize(("text", "sentence"), BY_HAND)
def test_where_there_is_no_change_one_sentence_says_why(text: str, sentence: str, tmp_path: Path) -> None:
    report = checked(tmp_path, main=PRELUDE + text, changes=True)
    (site,) = report.sites
    assert (site.verdict, site.change, report.diff) == ("queue", "", "")
    assert sentence in site.by_hand
    assert "\n" not in site.by_hand


@pytest.mark.parametrize("code", [f"{rule.code}:{which}" for rule in RULES for which in ("bad", "good")])
def test_a_patch_applies_parses_and_touches_nothing_else(code: str, tmp_path: Path) -> None:
    rule = next(each for each in RULES if each.code == code.partition(":")[0])
    example = rule.bad if code.endswith("bad") else rule.good
    before = PRELUDE + example
    report = checked(tmp_path, main=before, changes=True)
    for site in report.sites:
        assert bool(site.change) != bool(site.by_hand) or site.verdict == "unsure" or site.accepted
    if not report.diff:
        return
    applied(tmp_path, report.diff)
    after = (tmp_path / "main.py").read_text()
    ast.parse(after)
    sites = {number for site in report.sites for number in range(site.line, site.end_line + 1)}
    lost = [
        line
        for number, line in enumerate(before.split("\n"), 1)
        if line not in after.split("\n") and number not in sites and "BackgroundTasks" not in line
    ]
    assert lost == []
    assert [(each.callee, each.kind) for each in check(tmp_path).sites] == [
        (each.callee, each.kind) for each in report.sites if not each.change
    ]
