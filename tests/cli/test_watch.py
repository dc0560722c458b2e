"""twolane watch --once, and twolane stats --watch on a terminal and elsewhere."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import sqlite3
import subprocess
import sys
import time

import pytest

from tests.cli.conftest import Shop

WAIT_S = 30.0


def make_old(shop: Shop) -> None:
    """The dead letters have waited for two days, and nobody has watched."""
    with sqlite3.connect(shop.queue) as connection:
        connection.execute("UPDATE watch SET looked_at = NULL")
        connection.execute("UPDATE messages SET finished_at = finished_at - 172800 WHERE state = 'dead'")
    connection.close()


def test_once_nothing_is_wrong(shop: Shop) -> None:
    told = shop.run("watch", "--once")
    assert (told.code, told.out) == (0, "nothing is wrong\n")
    assert shop.run("watch", "--once", "--json").json == {"watched": False, "conditions": []}
    assert not shop.was_imported


def test_once_a_condition_holds(shop: Shop) -> None:
    make_old(shop)
    told = shop.run("watch", "--once")
    assert told.code == 1
    assert told.out.startswith("5 dead letters wait for a human, the oldest for 2.0 d\n")
    assert "twolane dead list" in told.out
    as_json = shop.run("watch", "--once", "--json")
    assert as_json.code == 1
    [condition] = as_json.json["conditions"]
    assert list(condition) == ["name", "subject", "since", "title", "body"]
    assert (condition["name"], condition["subject"]) == ("dead_letters", "")


def test_once_writes_and_tells_nothing(shop: Shop) -> None:
    make_old(shop)
    before = shop.run("stats", "--json").json
    shop.run("watch", "--once")
    assert shop.run("stats", "--json").json == before
    with sqlite3.connect(shop.queue) as connection:
        assert connection.execute("SELECT count(*) FROM conditions").fetchone() == (0,)
    connection.close()


def test_where_a_watch_runs_a_condition_holds_once_it_has_seen_it_for_long_enough(shop: Shop) -> None:
    make_old(shop)
    with sqlite3.connect(shop.queue) as connection:
        connection.execute("UPDATE watch SET looked_at = ?", (time.time(),))
    assert shop.run("watch", "--once").code == 0
    with sqlite3.connect(shop.queue) as connection:
        connection.execute(
            "INSERT INTO conditions VALUES ('dead_letters', 'dead_letters', '', 'pending', 1, '', NULL, NULL, 0, NULL)"
        )
    connection.close()
    assert shop.run("watch", "--once").code == 1


def test_too_old_is_said_for_one_queue_or_all(shop: Shop) -> None:
    with sqlite3.connect(shop.queue) as connection:
        connection.execute("UPDATE watch SET looked_at = NULL")
        connection.execute(
            "UPDATE messages SET visible_at = ? WHERE state = 'waiting'", (time.time() - 1000,)
        )
    connection.close()

    def names(*options: str) -> list[str]:
        return [each["name"] for each in shop.run("watch", "--once", "--json", *options).json["conditions"]]

    assert names() == ["too_old", "no_worker"]
    assert names("--too-old", "2000") == ["no_worker"]
    assert names("--too-old", "2000", "--too-old", "default=10") == ["too_old", "no_worker"]
    assert names("--too-old", "2000", "--too-old", "other=10") == ["no_worker"]


@pytest.mark.parametrize("said", ["soon", "imports=", "-1", "nan"])
def test_a_too_old_that_is_no_number(shop: Shop, said: str) -> None:
    told = shop.run("watch", "--once", f"--too-old={said}")
    assert (told.code, told.out) == (2, "")
    assert told.err.startswith("twolane: --too-old")


def test_json_goes_with_once(shop: Shop) -> None:
    told = shop.run("watch", "--json")
    assert told.code == 2
    assert "--once" in told.err


def test_once_without_a_queue(shop: Shop) -> None:
    told = shop.run("watch", "--once", TWOLANE_QUEUE=f"sqlite:///{shop.folder}/none.db")
    assert told.code == 3
    assert "Traceback" not in told.err
    assert not (shop.folder / "none.db").exists()


def test_the_app_s_own_thresholds_hold_where_it_is_named(shop: Shop) -> None:
    make_old(shop)
    (shop.folder / "patient.py").write_text(
        "from twolane import Tasks, Thresholds\ntasks = Tasks(watch=Thresholds(dead_s=7 * 86_400))\n"
    )
    assert shop.run("watch", "--once").code == 1
    assert shop.run("watch", "--once", "--app", "patient:tasks").code == 0


# The view


def test_stats_shows_what_holds(shop: Shop) -> None:
    with sqlite3.connect(shop.queue) as connection:
        connection.execute(
            "INSERT INTO conditions VALUES ('disk:queue', 'disk', 'queue', 'holding', 1800000000, 'full', 1, NULL, 1, NULL)"
        )
    connection.close()
    assert "! full (since 2027-01-15 08:00:00 UTC)" in shop.run("stats").out


def test_a_view_needs_a_terminal(shop: Shop) -> None:
    told = shop.run("stats", "--watch")
    assert (told.code, told.out) == (2, "")
    assert "add --json for a line each time" in told.err


def watching(shop: Shop, *arguments: str, **more: object) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "TWOLANE_QUEUE": f"sqlite:///{shop.queue}", "TERM": "xterm"}
    environment |= {"COLUMNS": "60", "LINES": "40"}
    return subprocess.Popen(
        [sys.executable, "-m", "twolane", "stats", "--watch", "--interval", "0.1", *arguments],
        env=environment,
        cwd=shop.folder,
        **more,  # type: ignore[call-overload]
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_as_json_it_is_a_line_each_time(shop: Shop, number: signal.Signals) -> None:
    with watching(shop, "--json", stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        lines = [json.loads(process.stdout.readline()) for _ in range(3)]
        process.send_signal(number)
        assert process.wait(WAIT_S) == 0
        assert process.stderr.read() == b""
    assert lines == [shop.run("stats", "--json").json] * 3


def test_who_reads_may_leave(shop: Shop) -> None:
    with watching(shop, "--json", stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(WAIT_S) == 0
        assert process.stderr.read() == b""


def test_a_queue_that_goes_away_is_said_in_a_line(shop: Shop) -> None:
    with watching(shop, "--json", stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        shop.queue.rename(shop.folder / "away")
        while "error" not in (line := json.loads(process.stdout.readline())):
            pass
        (shop.folder / "away").rename(shop.queue)
        while "error" in json.loads(process.stdout.readline()):
            pass
        process.send_signal(signal.SIGINT)
        assert process.wait(WAIT_S) == 0
    assert "there is no queue" in line["error"]


def test_on_a_narrow_terminal_it_goes_on_until_ctrl_c(shop: Shop) -> None:
    ours, theirs = pty.openpty()
    process = watching(shop, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    shown = b""
    while shown.count(b"a second") < 2:
        assert select.select([ours], [], [], WAIT_S)[0], shown
        shown += os.read(ours, 65536)
    process.send_signal(signal.SIGINT)
    while True:
        try:
            shown += os.read(ours, 65536)
        except OSError:  # the other end is closed
            break
    assert process.wait(WAIT_S) == 0
    os.close(ours)
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode())
    assert "waiting" in text
    assert "discarded" not in text  # what matters less has no room
    assert "Traceback" not in text
    assert b"\x1b[?25h" in shown  # the cursor is back
