"""dead redrive, dead discard, cancel: what changes, what is refused, who is asked."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

import pytest

from tests.cli.conftest import Shop
from twolane.values.record import State


def test_cancel_a_waiting_message(shop: Shop) -> None:
    told = shop.run("cancel", shop.ids["waiting"])
    assert (told.code, told.out) == (0, f"{shop.ids['waiting']} is cancelled\n")
    assert shop.record("waiting").state is State.CANCELLED


@pytest.mark.parametrize("name", ["done", "cancelled", "dead"])
def test_there_is_nothing_to_cancel(shop: Shop, name: str) -> None:
    told = shop.run("cancel", shop.ids[name], "--json")
    assert told.code == 1
    assert told.json == {
        "id": shop.ids[name],
        "state": shop.record(name).state.value,
        "cancel_requested": False,
    }


def test_redrive_one_as_it_is(shop: Shop) -> None:
    told = shop.run("dead", "redrive", shop.ids["dead"])
    assert (told.code, told.out) == (0, f"1 dead letter(s) sent back: {shop.ids['dead']}\n")
    record = shop.record("dead")
    assert (record.state, record.attempt) == (State.WAITING, 1)
    assert not shop.was_imported
    again = shop.run("dead", "redrive", shop.ids["dead"])
    assert again.code == 1
    assert "is waiting: no dead letter" in again.err


def test_an_expired_one_expires_no_more(shop: Shop) -> None:
    assert shop.run("dead", "redrive", shop.ids["expired"]).code == 0
    assert "expires_at" not in _body(shop, "expired")


def test_redrive_with_other_arguments(shop: Shop) -> None:
    told = shop.run(
        "dead", "redrive", shop.ids["gave_up"], "--args", '{"order": 9}', "--app", "shop:tasks", "--json"
    )
    assert told.json == {"redriven": [shop.ids["gave_up"]], "refused": []}
    status = shop.run("status", shop.ids["gave_up"], "--json").json
    assert (status["state"], status["args"], status["cursor"]) == ("waiting", {"order": 9}, None)


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        ("{", "--args is no JSON"),
        ("[7]", "--args is an object with the arguments by name"),
        ('{"order": "many"}', "`order`: Input should be a valid integer"),
        ('{"order": 7, "more": 1}', "`more`: Extra inputs are not permitted"),
        ("{}", "`order`: Field required"),
    ],
)
def test_arguments_that_do_not_fit(shop: Shop, args: str, sentence: str) -> None:
    told = shop.run("dead", "redrive", shop.ids["gave_up"], "--args", args, "--app", "shop:tasks")
    assert told.code == 2
    assert sentence in told.err
    assert shop.record("gave_up").state is State.DEAD


def test_arguments_need_the_app(shop: Shop) -> None:
    told = shop.run("dead", "redrive", shop.ids["gave_up"], "--args", '{"order": 9}')
    assert told.code == 2
    assert "say --app module:app; nothing was changed" in told.err


def test_arguments_of_what_has_none(shop: Shop) -> None:
    told = shop.run("dead", "redrive", shop.ids["unreadable"], "--args", "{}", "--app", "shop:tasks")
    assert told.code == 2
    assert "the app has no task ''" in told.err


def test_arguments_cannot_name_the_bytes_of_another_message(shop: Shop) -> None:
    own = shop.run("status", shop.ids["reads"], "--json").json["args"]["upload"]
    stolen = {**own, "key": "00/00000000000000000000000000000000.blob"}
    for upload, code in ((stolen, 2), (own, 0)):
        args = '{"upload": ' + str(upload).replace("'", '"') + "}"
        told = shop.run("dead", "redrive", shop.ids["reads"], "--args", args, "--app", "shop:tasks")
        assert told.code == code, told
        assert ("only its own bytes can be named" in told.err) == (code == 2)


def test_redrive_all_of_a_task(shop: Shop) -> None:
    told = shop.run("dead", "redrive", "--all", "--task", "fails", "--yes", "--json")
    assert told.json == {"redriven": [shop.ids["dead"]], "refused": []}
    assert shop.record("gave_up").state is State.DEAD


def test_redrive_all(shop: Shop) -> None:
    told = shop.run("dead", "redrive", "--all", "--yes")
    assert told.out == "5 dead letter(s) sent back\n"
    none = shop.run("dead", "redrive", "--all")
    assert (none.code, none.out) == (1, "0 dead letter(s) sent back\n")


@pytest.mark.parametrize(
    "command",
    [
        ["redrive"],
        ["redrive", "x", "--all"],
        ["redrive", "--all", "--args", "{}"],
        ["redrive", "x", "--task", "t"],
        ["redrive", "x", "--args", "{}", "--edit"],
        ["discard"],
        ["discard", "x", "--all-matching"],
        ["discard", "x", "--since", "1h"],
    ],
)
def test_redrive_is_told_what(shop: Shop, command: list[str]) -> None:
    told = shop.run("dead", *command)
    assert told.code == 2
    assert (
        "say an ID (perhaps with --args or --edit), or --all-matching (perhaps with --task and the like)"
        in told.err
    )


@pytest.mark.parametrize("command", [["redrive", "--all"], ["discard"]])
def test_where_nobody_can_be_asked_nothing_happens(shop: Shop, command: list[str]) -> None:
    told = shop.run("dead", *command, *([] if "--all" in command else [shop.ids["dead"]]), typed="y\n")
    assert told.code == 2
    assert "Nobody is there to answer: say --yes; nothing was changed" in told.err
    assert shop.record("dead").state is State.DEAD


@pytest.mark.parametrize(("answer", "state", "code"), [("y", State.DISCARDED, 0), ("n", State.DEAD, 1)])
def test_discard_asks_a_person(shop: Shop, answer: str, state: State, code: int) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "twolane", "dead", "discard", shop.ids["dead"]]
    environment = {**os.environ, "TWOLANE_QUEUE": f"sqlite:///{shop.queue}"}
    with subprocess.Popen(
        command, stdin=theirs, stdout=subprocess.PIPE, stderr=theirs, env=environment
    ) as asking:
        os.close(theirs)
        asked = b""
        while b"for good? [y/N]" not in asked:
            asked += os.read(ours, 1000)
        os.write(ours, f"{answer}\n".encode())
        asking.communicate()
    os.close(ours)
    assert b"Delete fails, sent 20" in asked
    assert asking.returncode == code
    assert shop.record("dead").state is state


def test_discard_without_a_question(shop: Shop) -> None:
    told = shop.run("dead", "discard", shop.ids["dead"], "--yes", "--json")
    assert told.json == {"id": shop.ids["dead"], "state": "discarded"}
    assert shop.run("dead", "show", shop.ids["dead"]).code == 1


def test_a_twin_that_waits_is_refused(shop: Shop) -> None:
    """Two messages of one unique key: the dead one stays dead while the other waits."""
    sent = "import shop; shop.tasks.send_blocking(shop.greet.options(unique_key='e', delay_s=3600), 'Di'); shop.tasks.close()"
    environment = {
        **os.environ,
        "TWOLANE_QUEUE": f"sqlite:///{shop.queue}",
        "TWOLANE_TEST_FOLDER": str(shop.folder),
    }
    subprocess.run([sys.executable, "-c", sent], check=True, cwd=shop.folder, env=environment)
    one = shop.run("dead", "redrive", shop.ids["expired"])
    assert one.code == 1
    assert "waits or runs under the same unique key" in one.err
    every = shop.run("dead", "redrive", "--all", "--yes", "--json")
    assert every.code == 1
    assert len(every.json["redriven"]) == 4
    assert [each["id"] for each in every.json["refused"]] == [shop.ids["expired"]]


def _body(shop: Shop, name: str) -> str:
    from twolane.backends.sqlite import SqliteRecords
    from twolane.wiring.clock import SystemClock

    records = SqliteRecords(shop.queue, SystemClock())
    try:
        return records.body(shop.ids[name]) or ""
    finally:
        records.close()
