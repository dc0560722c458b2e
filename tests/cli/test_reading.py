"""status, stats, dead list, dead show, doctor: what they print, and that they load and make nothing."""

from __future__ import annotations

import json
import sqlite3
from datetime import datetime
from pathlib import Path

import pytest

from tests.cli.conftest import Shop

READING = [
    ["stats"],
    ["status", "x"],
    ["dead", "list"],
    ["dead", "show", "x"],
    ["dead", "redrive", "x"],
    ["dead", "redrive", "--all", "--yes"],
    ["dead", "discard", "x", "--yes"],
    ["cancel", "x"],
    ["doctor"],
]
OPENING = [["stats"], ["dead", "redrive", "--all", "--yes"], ["doctor"]]
"""They open the queue in one of three ways; the others as one of these."""


def test_status_tells_a_person(shop: Shop) -> None:
    told = shop.run("status", shop.ids["done"])
    assert told.code == 0
    assert told.out.startswith(f"done  greet  {shop.ids['done']}\n")
    assert 'arguments\n    name = "Ada"\n    times = 2\n' in told.out
    assert "\n  worker      " in told.out
    assert 'result      "hello Adahello Ada"' in told.out
    assert not shop.was_imported


def test_status_as_json(shop: Shop) -> None:
    told = shop.run("status", shop.ids["gave_up"], "--json").json
    assert list(told) == [
        "id", "task", "queue", "state", "attempt", "deliveries", "crashes", "sent_at", "visible_at",
        "started_at", "finished_at", "done", "total", "cursor", "progressed_at", "reason", "public",
        "result", "cancel_requested", "worker", "parent", "unique_key", "args", "args_blob", "attempts",
    ]  # fmt: skip
    assert [each["message"] for each in told["attempts"]] == ["no such order"]
    assert (told["state"], told["reason"]) == ("dead", "gave_up")
    assert (told["done"], told["total"], told["cursor"]) == (41, 100, {"row": 41})
    assert told["public"] == "We do not know this order."
    assert told["args"] == {"order": 8}
    assert told["sent_at"].endswith("Z")
    assert datetime.fromisoformat(told["sent_at"]) < datetime.fromisoformat(told["finished_at"])


def test_status_of_an_unreadable_message(shop: Shop) -> None:
    told = shop.run("status", shop.ids["unreadable"], "--json").json
    assert (told["task"], told["args"], told["reason"]) == ("", None, "unreadable")


@pytest.mark.parametrize("command", [["status"], ["cancel"], ["dead", "show"], ["dead", "redrive"]])
def test_an_id_that_is_not_there(shop: Shop, command: list[str]) -> None:
    told = shop.run(*command, "no\x1b[2Jsuch")
    assert (told.code, told.out) == (1, "")
    assert "there is no message 'no\\x1b[2Jsuch'" in told.err


def test_stats(shop: Shop) -> None:
    told = shop.run("stats")
    assert told.code == 0
    row = next(line.split() for line in told.out.splitlines() if line.strip().startswith("default"))
    assert row == ["default", "1", "0", "1", "1", "5", "0", "0", "-"]
    assert "no worker is alive: nothing runs what waits" in told.out
    assert "8 accepted in all" in told.out
    assert not shop.was_imported


def test_stats_says_whom_alerts_have_not_reached(shop: Shop) -> None:
    assert "5 alert(s), all accepted by the log\n" in shop.run("stats").out
    with sqlite3.connect(shop.queue) as connection:
        connection.execute(
            "INSERT INTO targets SELECT 'apprise:1', 'slack://*** (ab12)', added_at, seen_at, 1, 0, 3, ? FROM targets",
            [json.dumps({"tries": 4, "error": "it answers 503"})],
        )
    connection.close()
    told = shop.run("stats").out
    assert "5 alert(s), 3 of them accepted by everybody\n" in told
    assert "  slack://*** (ab12) has not accepted the last 2: it answers 503\n" in told
    alerts = shop.run("stats", "--json").json["alerts"]
    assert (alerts["owed"], alerts["told"]) == (2, 3)
    assert [(each["target"], each["owed"], each["error"]) for each in alerts["targets"]] == [
        ("slack://*** (ab12)", 2, "it answers 503"),
        ("the log", 0, None),
    ]


def test_stats_says_where_nobody_is_told(shop: Shop) -> None:
    with sqlite3.connect(shop.queue) as connection:
        connection.execute("DELETE FROM targets")
    connection.close()
    assert "5 alert(s), and nobody to tell" in shop.run("stats").out


def test_stats_as_json(shop: Shop) -> None:
    told = shop.run("stats", "--json").json
    [log] = told["alerts"].pop("targets")
    assert (log["target"], log["id"], log["owed"]) == ("the log", "log", 0)
    assert told == {
        "queues": {
            "default": {
                "waiting": 1, "running": 0, "done": 1, "cancelled": 1, "dead": 5, "discarded": 0,
                "oldest_age_s": None, "not_understood": 0,
            }
        },
        "accepted": 8,
        "pruned": dict.fromkeys(["waiting", "running", "done", "cancelled", "dead", "discarded"], 0),
        "late_records": 0,
        "workers": [],
        "alerts": {"owed": 0, "told": 5},
    }  # fmt: skip


def test_dead_list(shop: Shop) -> None:
    told = shop.run("dead", "list")
    assert told.code == 0
    for name in ("dead", "gave_up", "expired", "reads", "unreadable"):
        assert shop.ids[name] in told.out
    assert shop.ids["done"] not in told.out
    assert "ValueError: order 7" in told.out
    assert "\x1b" not in told.out


def test_dead_list_as_json_by_task(shop: Shop) -> None:
    (told,) = shop.run("dead", "list", "--task", "fails", "--json").json
    assert {name: told[name] for name in ("id", "task", "queue", "reason", "error_type", "attempts")} == {
        "id": shop.ids["dead"],
        "task": "fails",
        "queue": "default",
        "reason": "attempts_exhausted",
        "error_type": "ValueError",
        "attempts": 2,
    }
    assert "args" not in told
    assert len(shop.run("dead", "list", "--limit", "2", "--json").json) == 2


def test_dead_show_tells_everything_and_takes_no_command_from_it(shop: Shop) -> None:
    told = shop.run("dead", "show", shop.ids["dead"])
    assert told.code == 0
    for text in (
        "reason      attempts_exhausted",
        "attempt 1: failed after",
        "attempt 2: failed after",
        'raise ValueError(f"order {order}:',
        "order = 7",
        'note = "a secret"',
        '"task":"fails"',
        "Every attempt failed. Mend what the last traceback says, then redrive.",
        f"twolane dead redrive {shop.ids['dead']}",
    ):
        assert text in told.out
    assert "\x1b" not in told.out
    assert "\x07" not in told.out


def test_dead_show_as_json(shop: Shop) -> None:
    told = shop.run("dead", "show", shop.ids["dead"], "--json")
    assert "\x1b" not in told.out
    letter = told.json
    assert [(each["number"], each["outcome"]) for each in letter["attempts"]] == [
        (1, "failed"),
        (2, "failed"),
    ]
    assert letter["attempts"][1]["message"] == "order 7: \x1b[2J\x07 a secret"
    assert "ValueError" in letter["attempts"][1]["traceback"]
    assert json.loads(letter["body"])["args"] == letter["args"] == {"order": 7, "note": "a secret"}


def test_dead_show_of_an_unreadable_body(shop: Shop) -> None:
    told = shop.run("dead", "show", shop.ids["unreadable"])
    assert "unreadable; see the body" in told.out
    assert "    no      envelope" in told.out


def test_dead_show_of_what_is_not_dead(shop: Shop) -> None:
    told = shop.run("dead", "show", shop.ids["done"])
    assert told.code == 1
    assert f"message '{shop.ids['done']}' is done: no dead letter of this queue" in told.err


def test_a_time_that_no_calendar_has(shop: Shop) -> None:
    with sqlite3.connect(shop.queue) as connection:
        connection.execute("UPDATE messages SET sent_at = 1e300 WHERE id = ?", (shop.ids["dead"],))
    connection.close()
    assert shop.run("dead", "show", shop.ids["dead"]).code == 0
    assert shop.run("status", shop.ids["dead"], "--json").json["sent_at"] is None


def test_doctor(shop: Shop) -> None:
    told = shop.run("doctor")
    assert told.code == 0
    assert f"{shop.queue}  (from TWOLANE_QUEUE)" in told.out
    form = shop.run("doctor", "--json").json
    assert form["settings"]["queue"] == {"value": str(shop.queue), "from": "TWOLANE_QUEUE"}
    assert form["queue"]["usable"] is True
    assert form["queue"]["can"]["durable"] is True
    assert {"python", "sqlite", "twolane", "pydantic"} <= set(form["versions"])


@pytest.mark.parametrize("command", READING, ids=" ".join)
def test_a_missing_queue_is_said_and_nothing_is_made(shop: Shop, tmp_path: Path, command: list[str]) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    told = shop.run(*command, TWOLANE_QUEUE=f"sqlite:///{folder}/queue.db")
    assert told.code == 3
    assert f"there is no queue at {folder}/queue.db" in told.err + told.out
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("command", OPENING, ids=" ".join)
def test_a_damaged_queue_is_said_and_left_as_it_is(shop: Shop, command: list[str]) -> None:
    damaged = b"this is not a database" * 300
    shop.queue.write_bytes(damaged)
    told = shop.run(*command)
    assert told.code == 3
    assert "is damaged or no SQLite database" in told.err + told.out
    assert "Traceback" not in told.err
    assert shop.queue.read_bytes() == damaged


@pytest.mark.parametrize("command", OPENING, ids=" ".join)
def test_a_newer_queue_is_said(shop: Shop, command: list[str]) -> None:
    with sqlite3.connect(shop.queue) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    told = shop.run(*command)
    assert told.code == 3
    assert "update twolane in this process" in told.err + told.out
