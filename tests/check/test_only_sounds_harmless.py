"""A wrong `background` loses somebody's work: what only sounds or looks harmless is never taken for proof."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.check.code import sites

PUT = """
@app.put("/things/{n}")
def f(n: int, bg: BackgroundTasks):
    store(n)
    bg.add_task(%s, n)
    return stored(n)
"""

BODIES = {
    "makes a view": ("create_view", "    warehouse.create_view(n)\n"),
    "gives access": ("add_access", "    session.add(n)\n    session.commit()\n"),
    "an entry of somebody's": ("log_expense", "    session.add(n)\n    session.commit()\n"),
    "a history that must be kept": ("save_payment_history", "    session.add(n)\n    session.commit()\n"),
    "steps of work": ("run_steps", "    session.add(n)\n    session.commit()\n"),
    "a metric that is made": ("create_metric", "    session.add(n)\n    session.commit()\n"),
    "a parcel that is tracked": ("track_parcel", "    requests.post(API, json=n)\n"),
    "a report on analytics": ("generate_analytics", "    session.add(n)\n    session.commit()\n"),
    "a memo is no cache": ("save_memo", "    session.add(n)\n    session.commit()\n"),
    "cached things sent": ("send_cached_invoices", "    requests.post(API, json=n)\n"),
    "written behind": ("flush_cache_to_db", "    session.add(n)\n    session.commit()\n"),
    "a store in redis": ("work", "    redis.set(f'job:{n}', 'x')\n    logger.info('x')\n"),
    "a machine is stopped": ("work", "    instances.find(n).terminate()\n    logger.info('x')\n"),
    "a ticket is closed": ("work", "    ticket.close()\n    logger.info('x')\n"),
    "a seat is released": ("work", "    seats.release(n)\n    logger.info('x')\n"),
    "an entry of an audit trail": (
        "work",
        "    audit_service.log_event('deleted', n)\n    logger.info('x')\n",
    ),
    "an order that is closed with its database": ("work", "    logger.info('x')\n    db.orders.close(n)\n"),
    "an event on a bus": ("work", "    event_bus.emit('order.created', n)\n    logger.info('x')\n"),
    "a broadcast by mail": ("work", "    broadcast_email(n)\n    logger.info('x')\n"),
    "a payment is made": ("work", "    logger.info('x')\n    bank.make_transfer(n)\n"),
    "an image is built": ("work", "    logger.info('x')\n    builder.build_image(n)\n"),
    "rows are loaded": ("work", "    logger.info('x')\n    warehouse.load(n)\n"),
    "a team is joined": ("work", "    logger.info('x')\n    chat.join_channel(n)\n"),
    "what a lookup by name gives": ("work", "    logger.info('x')\n    getattr(jobs, n)(n)\n"),
    "what a dictionary gives": ("work", "    logger.info('x')\n    get_jobs()[n](n)\n"),
    "an import by name": (
        "work",
        "    import importlib\n    logger.info('x')\n    importlib.import_module(n).main()\n",
    ),
    "called in a thread": ("work", "    logger.info('x')\n    asyncio.to_thread(thelibrary.drop, n)\n"),
    "called in a pool": (
        "work",
        "    logger.info('x')\n    asyncio.get_event_loop().run_in_executor(None, thelibrary.drop, n)\n",
    ),
    "posted in a thread": ("work", "    logger.info('x')\n    asyncio.to_thread(requests.post, API, n)\n"),
    "the target of a thread": (
        "work",
        "    logger.info('x')\n    threading.Thread(target=thelibrary.drop, args=(n,)).start()\n",
    ),
}


@pytest.mark.parametrize(("name", "body"), BODIES.values(), ids=BODIES)
def test_not_background(tmp_path: Path, name: str, body: str) -> None:
    (site,) = sites(tmp_path, f"def {name}(n):\n{body}" + PUT % name)
    assert site.verdict in ("unsure", "queue"), site.evidence


AGAIN = """\
    for _ in range(3):
        try:
            os.remove(n)
            return
        except PermissionError:
            time.sleep(5)
"""
STILL = {
    "a request is logged": ("log_request", "    session.add(n)\n    session.commit()\n"),
    "a view is recorded": ("record_view", "    session.add(n)\n    session.commit()\n"),
    "a login is tracked": ("track_login", "    requests.post(API, json=n)\n"),
    "metrics are posted": ("post_metrics", "    requests.post(API, json=n)\n"),
    "a cache is filled": ("refresh_cache", "    session.add(n)\n    session.commit()\n"),
    "what runs out in redis": ("work", "    redis.set(f'seen:{n}', 'x', ex=60)\n"),
    "a connection is closed": ("work", "    connection.close()\n"),
    "the database is closed, and the process ended": ("work", "    self.db.close()\n    os._exit(1)\n"),
    "a lock is given back": ("work", "    lock.release()\n"),
    "open browsers are told": ("work", "    sio.emit('changed', n)\n"),
    "a file is removed in a thread": ("work", "    asyncio.to_thread(os.remove, n)\n"),
    "a removal is tried again": ("work", AGAIN),
}


@pytest.mark.parametrize(("name", "body"), STILL.values(), ids=STILL)
def test_still_background(tmp_path: Path, name: str, body: str) -> None:
    (site,) = sites(tmp_path, f"def {name}(n):\n{body}" + PUT % name)
    assert site.verdict == "background", site.evidence


SWITCHES = {
    "if PROFILING_ENABLED:": "background",
    "if settings.telemetry_enabled:": "background",
    "if not settings.telemetry_enabled:": "unsure",
    "if n.profile:": "unsure",
    "if ENABLED:": "unsure",
    "if PROFILING_ENABLED:\n        pass\n    else:": "unsure",
}


@pytest.mark.parametrize(("switch", "verdict"), SWITCHES.items())
def test_what_is_switched_on_to_measure(tmp_path: Path, switch: str, verdict: str) -> None:
    text = f"@app.put('/x')\ndef f(n: int, bg: BackgroundTasks):\n    store(n)\n    {switch}\n        bg.add_task(thelibrary.note, n)\n"
    (site,) = sites(tmp_path, text)
    assert site.verdict == verdict, site.evidence


@pytest.mark.parametrize(
    "comment",
    [
        "# TODO: best effort until there is a queue",
        "# the job may be lost when the server restarts",
        "# no need to wait for the import",
        "# this is not best effort",
    ],
)
def test_a_worry_gives_no_leave(tmp_path: Path, comment: str) -> None:
    text = f"@app.get('/x')\ndef f(bg: BackgroundTasks):\n    {comment}\n    bg.add_task(unknown_name, 1)\n"
    (site,) = sites(tmp_path, text)
    assert site.verdict == "unsure"


@pytest.mark.parametrize(
    ("path", "name"),
    [("/test-results", "work"), ("/tests/{n}/test_order", "work"), ("/metrics", "save_metrics")],
)
def test_what_is_handed_in_is_the_thing_itself(tmp_path: Path, path: str, name: str) -> None:
    text = f"""
def {name}(n):
    session.add(n)
    session.commit()

@app.post("{path}")
def f(n: int, bg: BackgroundTasks):
    bg.add_task({name}, n)
    return stored(n)
"""
    (site,) = sites(tmp_path, text)
    assert site.verdict == "queue"


def test_a_file_that_somebody_asked_to_be_rid_of_is_no_temporary_one(tmp_path: Path) -> None:
    text = """
@app.delete("/files/{name}")
def f(name: str, bg: BackgroundTasks):
    bg.add_task(os.remove, name)
    return {"ok": True}
"""
    (site,) = sites(tmp_path, text)
    assert site.verdict == "unsure"


def test_an_object_whose_making_has_effects_proves_nothing(tmp_path: Path) -> None:
    text = """
class Importer:
    def __init__(self, n):
        session.add(n)
        session.commit()

def work(n):
    logger.info("x")
    Importer(n)
"""
    (site,) = sites(tmp_path, text + PUT % "work")
    assert site.verdict == "unsure"
    assert "making this object does more than make it: Importer" in {each.reason for each in site.evidence}


def test_what_a_class_below_does_counts_against_it(tmp_path: Path) -> None:
    text = """
class Loader:
    def export(self, n):
        raise NotImplementedError

class FileLoader(Loader):
    def export(self, n):
        requests.post(API, json=n)

def work(loader: Loader, n):
    loader.export(n)

@app.put("/x")
def f(n: int, bg: BackgroundTasks):
    store(n)
    bg.add_task(work, Loader(), n)
    return stored(n)
"""
    (site,) = sites(tmp_path, text)
    assert (site.verdict, site.code) == ("queue", "TL104")


def test_a_name_that_things_of_python_have_leads_to_no_code(tmp_path: Path) -> None:
    text = """
class Feed:
    async def aclose(self):
        time.sleep(60)

@app.get("/x")
async def f():
    answer = await client.send()
    return StreamingResponse(answer.aiter_raw(), background=BackgroundTask(answer.aclose))
"""
    (site,) = sites(tmp_path, text)
    assert (site.verdict, site.code) == ("background", "TL202")


def test_a_function_that_a_wrapper_was_given_is_read(tmp_path: Path) -> None:
    more = """
from typing import Callable
from functools import wraps

def guarded(func: Callable) -> Callable:
    @wraps(func)
    async def inner(*args, **kwargs):
        try:
            func(*args, **kwargs)
        except Exception:
            pass
    return inner
"""
    text = """
from guards import guarded

def save(n):
    session.add(n)
    session.commit()

@app.put("/x")
def f(n: int, bg: BackgroundTasks):
    store(n)
    later = guarded(save)
    bg.add_task(later, n)
    return stored(n)
"""
    (site,) = sites(tmp_path, text, guards=more)
    assert (site.verdict, site.code) == ("queue", "TL101")


def test_asking_for_rows_in_a_state_moves_none(tmp_path: Path) -> None:
    text = "def work(n):\n    get_runs(n, status='completed')\n"
    (site,) = sites(tmp_path, text + PUT % "work")
    assert "TL102" not in {each.code for each in site.evidence}
