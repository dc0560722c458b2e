"""What a callee means: the checker follows a name as Python would."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.check.code import checked

WRITES = "def save(x):\n    session.commit()\n"
HANDLER = "from fastapi import BackgroundTasks, FastAPI\napi = FastAPI()\n{imports}\n@api.get('/x')\ndef f(b: BackgroundTasks, p=None):\n    {before}\n    b.add_task({callee})\n"

WAYS = {
    "imported": ("from app.jobs import save", "pass", "save"),
    "under another name": ("from app.jobs import save as keep", "pass", "keep"),
    "by its module": ("from app import jobs", "pass", "jobs.save"),
    "by its full path": ("import app.jobs", "pass", "app.jobs.save"),
    "relative": ("from .jobs import save", "pass", "save"),
    "re-exported": ("from app.doors import save", "pass", "save"),
    "through a star": ("from app.stars import *", "pass", "save"),
    "inside the function": ("", "from app.jobs import save", "save"),
    "by a local": ("from app.jobs import save", "g = save", "g"),
    "by a choice": ("from app.jobs import save", "g = save if p else None", "g"),
    "partial": ("from functools import partial\nfrom app.jobs import save", "pass", "partial(save, 1)"),
    "lambda": ("from app.jobs import save", "pass", "lambda: save(1)"),
    "nested": ("from app.jobs import save", "def inner():\n        save(1)", "inner"),
    "static method": ("from app.things import Thing", "pass", "Thing.static"),
    "method of a local": ("from app.things import Thing", "t = Thing()", "t.method"),
    "method of a fresh one": ("from app.things import Thing", "pass", "Thing().method"),
    "method of a singleton": ("from app.things import thing", "pass", "thing.method"),
    "method of a base": ("from app.things import Child", "pass", "Child().method"),
    "attribute of a class": ("from app.things import Holder", "pass", "Holder().thing.method"),
    "what a factory returns": ("from app.things import make", "pass", "make().method"),
    "what a typed factory returns": ("from app.things import typed", "pass", "typed().method"),
    "the only method of that name": ("", "pass", "p.other.very_special"),
    "a wrapper that is given it": (
        "from app.jobs import save\nfrom app.things import guarded",
        "pass",
        "guarded, save",
    ),
}
THINGS = """
from app.jobs import save
class Thing:
    def method(self): self.helper()
    def helper(self): save(1)
    @staticmethod
    def static(): save(1)
    def very_special(self): save(1)
class Child(Thing): pass
class Holder:
    def __init__(self): self.thing = Thing()
thing = Thing()
def make(): return Thing()
def typed() -> "Thing": ...
def guarded(fn): fn()
"""


@pytest.mark.parametrize("packages", [True, False], ids=["packages", "folders"])
@pytest.mark.parametrize(("imports", "before", "callee"), WAYS.values(), ids=WAYS)
def test_the_code_behind_a_name_is_found(
    tmp_path: Path, imports: str, before: str, callee: str, packages: bool
) -> None:
    report = checked(
        tmp_path,
        **({"src__app__INIT": ""} if packages else {}),
        src__app__jobs=WRITES,
        src__app__doors="from app.jobs import save\n",
        src__app__stars="from app.jobs import *\n",
        src__app__things=THINGS,
        src__app__main=HANDLER.format(imports=imports, before=before, callee=callee),
    )
    (site,) = report.sites
    assert (site.verdict, site.code) == ("queue", "TL101")
    assert ("src/app/jobs.py", 2) in {(each.path, each.line) for each in site.evidence}


@pytest.mark.parametrize(("deep", "verdict"), [(0, "queue"), (3, "queue"), (4, "unsure")])
def test_calls_are_followed_three_deep(tmp_path: Path, deep: int, verdict: str) -> None:
    chain = "".join(f"def f{n}():\n    f{n + 1}()\n" for n in range(deep))
    text = f"from fastapi import BackgroundTasks\n{chain}def f{deep}():\n    session.commit()\ndef h(b: BackgroundTasks):\n    b.add_task(f0)\n"
    (site,) = checked(tmp_path, app=text).sites
    assert site.verdict == verdict


def test_circles_end(tmp_path: Path) -> None:
    text = "from fastapi import BackgroundTasks\nfrom b import x\na = x\ndef f(t: BackgroundTasks):\n    t.add_task(a)\n    t.add_task(g)\ndef g():\n    g()\n"
    found = checked(tmp_path, a=text, b="from a import a as x\n").sites
    assert [site.verdict for site in found] == ["unsure", "unsure"]
