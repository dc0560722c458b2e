"""Verdicts: no evidence is unsure, and background needs positive proof."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.check.code import sites

HANDLER = """
@app.get("/x")
def f(bg: BackgroundTasks):
    bg.add_task({callee})
"""


def verdict(folder: Path, body: str, callee: str = "work, 1") -> str:
    (site,) = sites(folder, body + HANDLER.format(callee=callee))
    assert site.evidence
    return site.verdict


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("def work(n):\n    pass\n", "unsure"),
        ("def work(n):\n    '''Implementation would go here.'''\n    return None\n", "unsure"),
        ("def work(n):\n    JOBS[n]()\n", "unsure"),
        ("def work(n):\n    getattr(n, 'go')()\n", "unsure"),
        ("import thelibrary\ndef work(n):\n    thelibrary.frobnicate(n)\n", "unsure"),
        ("import thelibrary\ndef work(n):\n    os.remove(n)\n    thelibrary.frobnicate(n)\n", "unsure"),
        ("def work(n):\n    print(n)\n", "background"),
        ("RESULTS = {}\ndef work(n):\n    RESULTS[n] = n * 2\n    print(n)\n", "unsure"),
        (
            "def work(n):\n    try:\n        os.unlink(n)\n    except OSError:\n        logger.warning('gone')\n",
            "background",
        ),
        (
            "def work(n):\n    db.query(User).filter(User.id == n).all()\n    ws.broadcast('changed')\n",
            "background",
        ),
        (
            "def work(n):\n    db.query(User).filter(User.id == n).delete()\n    ws.broadcast('changed')\n",
            "queue",
        ),
        ("def work(n):\n    db.execute('select * from a')\n    sio.emit('a')\n", "background"),
        ("def work(n):\n    db.execute('insert into a values (1)')\n    sio.emit('a')\n", "queue"),
    ],
)
def test_a_body(tmp_path: Path, body: str, expected: str) -> None:
    assert verdict(tmp_path, body) == expected


@pytest.mark.parametrize(
    ("callee", "expected"),
    [
        ("os.remove, 'a'", "background"),
        ("requests.post, 'https://example.org'", "queue"),
        ("subprocess.run, ['a']", "queue"),
        ("unknown_name, 1", "unsure"),
    ],
)
def test_a_callee_outside_of_the_tree_is_judged_by_a_table(
    tmp_path: Path, callee: str, expected: str
) -> None:
    assert verdict(tmp_path, "", callee) == expected


MAIL = (
    "def send_email(to, template):\n    with smtplib.SMTP('m') as s:\n        s.sendmail('a', to, template)\n"
)


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("welcome.html", "background"),
        ("newsletter.html", "background"),
        ("unsubscribe.html", "background"),
        ("password_reset.html", "queue"),
        ("team-invitation.html", "queue"),
        ("welcome-verify.html", "queue"),
        ("a.html", "queue"),
    ],
)
def test_the_words_of_a_mail_decide(tmp_path: Path, template: str, expected: str) -> None:
    assert verdict(tmp_path, MAIL, f'send_email, "a", "{template}"') == expected


def test_to_report_something_is_no_report(tmp_path: Path) -> None:
    told = MAIL + "def report_success(name):\n    send_email('ops', 'welcome.html')\n"
    assert verdict(tmp_path, told, "report_success, 'bank'") == "background"
    asked = MAIL + "def send_report(name):\n    send_email('you', 'thanks.html')\n"
    assert verdict(tmp_path, asked, "send_report, 'bank'") == "queue"


def test_the_author_may_say_so(tmp_path: Path) -> None:
    text = "def work():\n    session.commit()\n@app.get('/x')\ndef f(bg: BackgroundTasks):\n    # we don't care if it finishes\n    bg.add_task(work)\n"
    (site,) = sites(tmp_path, text)
    assert (site.verdict, site.code) == ("background", "TL208")
    assert "we don't care if it finishes" in site.evidence[0].reason


def test_evidence_is_a_place_and_a_reason(tmp_path: Path) -> None:
    (site,) = sites(
        tmp_path, "def work():\n    session.commit()\n" + HANDLER.format(callee="work"), jobs="x = 1\n"
    )
    assert site.evidence[0].path == "main.py"
    assert site.evidence[0].reason == "writes to the database: session.commit()"


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("def delete_traces(n):\n    call_home(n)\n", "unsure"),
        ("def keep_traces(n):\n    call_home(n)\n", "background"),
        ("def _persist_request_log(n):\n    session.add(n)\n    session.commit()\n", "background"),
        ("def make_index(q):\n    logger.info('x')\n    graph.query(q)\n", "unsure"),
    ],
)
def test_what_a_name_says_and_what_it_does_not(text: str, verdict: str, tmp_path: Path) -> None:
    name = text[4 : text.index("(")]
    handler = f"@app.get('/')\ndef f(b: BackgroundTasks):\n    b.add_task({name}, 1)\n    return stored()\n"
    assert [site.verdict for site in sites(tmp_path, text + handler)] == [verdict]


def test_telemetry_about_a_webhook_is_not_its_work(tmp_path: Path) -> None:
    text = """
class TelemetryService:
    async def log_run(self, n):
        requests.post("https://t.example.org", json=n)

telemetry_service = TelemetryService()

@app.post("/webhook/{n}")
async def f(n: int, b: BackgroundTasks):
    b.add_task(telemetry_service.log_run, n)
    return {"ok": True}
"""
    assert [site.verdict for site in sites(tmp_path, text)] == ["background"]


def test_an_entry_that_is_all_that_was_asked_for_is_no_trace(tmp_path: Path) -> None:
    text = """
def log_event(n):
    store.log_event(n)

@app.post("/events")
def f(n: int, b: BackgroundTasks):
    b.add_task(log_event, n)
    return {"ok": True}
"""
    assert [site.verdict for site in sites(tmp_path, text)] == ["unsure"]


def test_adding_to_what_a_plugin_keeps_is_not_harmless(tmp_path: Path) -> None:
    text = "def subscribe(n):\n    logger.info('x')\n    plugin.instance.add(n)\n"
    handler = (
        "@app.post('/')\ndef f(b: BackgroundTasks):\n    b.add_task(subscribe, 1)\n    return stored()\n"
    )
    assert [site.verdict for site in sites(tmp_path, text + handler)] == ["unsure"]


@pytest.mark.parametrize(
    "body",
    [
        # an attempt is no try-out
        (
            "async def _try_drop(n):\n"
            "    async def later():\n"
            "        await thelibrary.drop(n)\n"
            "    asyncio.create_task(later())\n"
            "@app.delete('/x/{n}')\n"
            "async def drop(n: int):\n"
            "    await _try_drop(n)\n"
        ),
        # "usage" in a name does not make a message to somebody a statistic
        (
            "def report_usage_reset(n):\n"
            "    requests.post(CHAT, json={'reset': n})\n"
            "def work(n):\n"
            "    report_usage_reset(n)\n"
            "@app.post('/x')\n"
            "def f(n: int, bg: BackgroundTasks):\n"
            "    bg.add_task(work, n)\n"
        ),
        # traces that are handed in are the thing itself
        (
            "def index_traces(n):\n"
            "    thelibrary.bulk(n)\n"
            "@app.post('/traces')\n"
            "def f(n: int, bg: BackgroundTasks):\n"
            "    store(n)\n"
            "    bg.add_task(index_traces, n)\n"
        ),
        # a hook that only answers is there for another class to fill in
        (
            "class Vault:\n"
            "    def dropped(self, n) -> bool:\n"
            "        '''Optional hook.'''\n"
            "        return True\n"
            "def work(vault: Vault, n):\n"
            "    if not vault.dropped(n):\n"
            "        logger.warning('still there')\n"
            "@app.post('/x')\n"
            "def f(n: int, bg: BackgroundTasks):\n"
            "    bg.add_task(work, Vault(), n)\n"
        ),
        # and so is a method that a class below has too
        (
            "class Vault:\n"
            "    def dropped(self, n):\n"
            "        logger.info('dropped %s', n)\n"
            "class FarVault(Vault):\n"
            "    def dropped(self, n):\n"
            "        thelibrary.drop(n)\n"
            "def work(vault: Vault, n):\n"
            "    vault.dropped(n)\n"
            "@app.post('/x')\n"
            "def f(n: int, bg: BackgroundTasks):\n"
            "    bg.add_task(work, Vault(), n)\n"
        ),
        # a list of the module's is not the function's own
        (
            "WAITING = make_list()\n"
            "def work(n):\n"
            "    WAITING.append(n)\n"
            "    logger.info('waiting')\n"
            "@app.post('/x')\n"
            "def f(n: int, bg: BackgroundTasks):\n"
            "    bg.add_task(work, n)\n"
        ),
    ],
    ids=["attempt", "usage", "handed in", "hook", "overridden", "list of the module"],
)
def test_what_only_sounds_harmless_is_not_proven(tmp_path: Path, body: str) -> None:
    (site,) = sites(tmp_path, body)
    assert site.verdict in ("unsure", "queue")


def test_a_last_used_time_is_a_trace(tmp_path: Path) -> None:
    body = "def touch_last_used(n):\n    db.add(Touch(n))\n    db.commit()\n"
    assert verdict(tmp_path, body, "touch_last_used, 1") == "background"


def test_what_a_program_says_is_no_start_of_one(tmp_path: Path) -> None:
    body = (
        "class Core:\n"
        "    def __init__(self):\n"
        "        self.process = subprocess.Popen(['core'])\n"
        "    def follow(self):\n"
        "        print(self.process.stdout.readline())\n"
        "core = Core()\n"
    )
    (site,) = sites(tmp_path, body + HANDLER.format(callee="core.follow"))
    assert site.verdict == "unsure"
    assert "TL112" not in {each.code for each in site.evidence}
