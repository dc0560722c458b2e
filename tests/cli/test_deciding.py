"""dead list --group, filters, --all-matching, --edit and the audit log."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Done, Shop
from twolane.values.record import State

NAMES = ("dead", "gave_up", "expired", "reads", "unreadable")


def listed(shop: Shop, *filters: str) -> set[str]:
    names = {message_id: name for name, message_id in shop.ids.items()}
    return {names[each["id"]] for each in shop.run("dead", "list", "--json", *filters).json}


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ([], {*NAMES}),
        (["--reason", "expired"], {"expired"}),
        (["--error", "ORDER 7"], {"dead"}),
        (["--error", "valueerror"], {"dead"}),
        (["--error", "as it always", "--task", "reads"], {"reads"}),
        (["--since", "1h"], {*NAMES}),
        (["--until", "1h"], set()),
        (["--since", "2001-01-01", "--until", "2001-01-02T12:00+02:00"], set()),
    ],
)
def test_filters(shop: Shop, filters: list[str], found: set[str]) -> None:
    assert listed(shop, *filters) == found


@pytest.mark.parametrize("when", ["yesterday", "5 parsecs", "1e9d", "99999-01-01", ""])
def test_a_time_that_is_none(shop: Shop, when: str) -> None:
    told = shop.run("dead", "list", "--since", when)
    assert told.code == 2
    assert "--since takes a time such as" in told.err
    assert "Traceback" not in told.err


def test_a_reason_that_is_none(shop: Shop) -> None:
    assert shop.run("dead", "list", "--reason", "boredom").code == 2


def test_groups(shop: Shop) -> None:
    groups = shop.run("dead", "list", "--group", "--json").json
    assert sum(group["count"] for group in groups) == 5
    (mine,) = [group for group in groups if group["task"] == "fails"]
    assert (mine["last_id"], mine["first_at"]) == (shop.ids["dead"], mine["last_at"])
    assert listed(shop, "--fingerprint", mine["fingerprint"]) == {"dead"}
    told = shop.run("dead", "list", "--group")
    assert mine["fingerprint"] in told.out
    assert "\x1b" not in told.out
    assert shop.run("dead", "list", "--group", "--task", "no such").out == "no dead letters\n"


def test_all_that_match(shop: Shop) -> None:
    told = shop.run(
        "dead", "discard", "--all-matching", "--reason", "gave_up", "--task", "reads", "--yes", "--json"
    )
    assert told.json == {"discarded": [shop.ids["reads"]], "refused": []}
    assert shop.record("reads").state is State.DISCARDED
    assert shop.record("gave_up").state is State.DEAD
    none = shop.run("dead", "discard", "--all-matching", "--task", "no such")
    assert (none.code, none.out) == (1, "0 dead letter(s) deleted for good\n")


@pytest.mark.parametrize(
    ("answer", "state", "code"), [("2", State.WAITING, 0), ("y", State.DEAD, 1), ("", State.DEAD, 1)]
)
def test_the_count_confirms(shop: Shop, answer: str, state: State, code: int) -> None:
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TWOLANE_QUEUE": f"sqlite:///{shop.queue}", "COLUMNS": "300"}
    command = [sys.executable, "-m", "twolane", "dead", "redrive", "--all-matching", "--reason", "gave_up"]
    with subprocess.Popen(
        command, stdin=theirs, stdout=subprocess.PIPE, stderr=theirs, env=environment
    ) as asking:
        os.close(theirs)
        asked = b""
        while b"to confirm" not in asked:
            asked += os.read(ours, 1000)
        os.write(ours, f"{answer}\n".encode())
        asking.communicate()
    os.close(ours)
    assert b"Send 2 dead letter(s) (--reason gave_up) back to their queues? Type 2 to confirm" in asked
    assert asking.returncode == code
    assert shop.record("gave_up").state is state


class TestEdit:
    def edit(self, shop: Shop, script: str, name: str = "gave_up", **env: str) -> Done:
        """Run --edit with an editor that is a script; each time it is opened it counts."""
        editor = shop.folder / "editor.py"
        editor.write_text(
            "import sys, pathlib\n"
            "file = pathlib.Path(sys.argv[-1]); text = file.read_text()\n"
            "seen = pathlib.Path('seen'); seen.open('a').write(text + '\\n=====\\n')\n"
            "times = seen.read_text().count('=====')\n" + script
        )
        env = {"EDITOR": f"{sys.executable} {editor}", **env}
        return shop.run("dead", "redrive", shop.ids[name], "--edit", "--app", "shop:tasks", **env)

    def opened(self, shop: Shop) -> list[str]:
        return (shop.folder / "seen").read_text().split("\n=====\n")[:-1]

    def test_sends_the_edited_arguments(self, shop: Shop) -> None:
        told = self.edit(shop, "file.write_text(text.replace('8', '9'))")
        assert told.code == 0, told.err
        assert shop.run("status", shop.ids["gave_up"], "--json").json["args"] == {"order": 9}
        [text] = self.opened(shop)
        assert f"# The arguments of gives_up {shop.ids['gave_up']}" in text

    def test_opens_again_with_the_error_on_top(self, shop: Shop) -> None:
        told = self.edit(
            shop,
            "file.write_text({1: '{\"order\": \"many\"}', 2: '{', 3: '{\"order\": 10}'}[times])",
        )
        assert told.code == 0, told.err
        first, second, third = self.opened(shop)
        assert "NOT ACCEPTED" not in first
        assert second.startswith("# NOT ACCEPTED, and nothing was changed yet:\n# ")
        assert "`order`: Input should be a valid integer" in second
        assert '{"order": "many"}' in second, "what was typed is not lost"
        assert "this is no JSON" in third

    @pytest.mark.parametrize(
        "script",
        [
            "",
            "file.write_text('')",
            "file.write_text('# only comments\\n')",
            "file.unlink(); file.write_text(text)",
            'file.write_text(\'{"order": "many"}\' if times == 1 else text)',
        ],
    )
    def test_given_up_changes_nothing(self, shop: Shop, script: str) -> None:
        told = self.edit(shop, script)
        assert (told.code, told.err) == (1, "twolane: nothing was changed\n")
        assert shop.record("gave_up").state is State.DEAD
        assert shop.run("dead", "log", "--json").json == []

    @pytest.mark.parametrize(
        ("editor", "sentence"),
        [
            ("false", "ended with code 1"),
            ("/no/such/editor", "cannot be started"),
            ("'", "cannot be started"),
        ],
    )
    def test_an_editor_that_fails_changes_nothing(self, shop: Shop, editor: str, sentence: str) -> None:
        told = self.edit(shop, "", EDITOR=editor)
        assert told.code == 2
        assert sentence in told.err
        assert "nothing was changed" in told.err
        assert shop.record("gave_up").state is State.DEAD

    def test_leaves_no_copy_behind(self, shop: Shop, tmp_path: Path) -> None:
        private = tmp_path / "private"
        private.mkdir()
        self.edit(shop, "print(oct(file.stat().st_mode))", TMPDIR=str(private))
        assert list(private.iterdir()) == []

    def test_of_what_has_no_arguments(self, shop: Shop) -> None:
        told = self.edit(shop, "", name="unreadable")
        assert told.code == 2
        assert "the app has no task ''" in told.err


def test_what_was_done_is_written_down(shop: Shop) -> None:
    assert shop.run("dead", "log").out == "nobody has done anything about a dead letter yet\n"
    shop.run("dead", "redrive", shop.ids["dead"])
    shop.run("dead", "redrive", shop.ids["gave_up"], "--args", '{"order": 9}', "--app", "shop:tasks")
    shop.run("dead", "discard", "--all-matching", "--since", "1h", "--yes")

    last, middle, first = shop.run("dead", "log", "--json").json

    assert (first["what"], first["which"], first["count"]) == ("redrive", shop.ids["dead"], 1)
    assert (middle["what"], middle["which"]) == ("edit", shop.ids["gave_up"])
    assert (last["what"], last["count"]) == ("discard", 3)
    assert last["which"].startswith("--since 20")
    assert "@" in last["who"]
    assert len(shop.run("dead", "log", "--limit", "1", "--json").json) == 1
    assert "discard" in shop.run("dead", "log").out


def test_nothing_that_was_refused_counts(shop: Shop) -> None:
    shop.run("dead", "redrive", shop.ids["done"])
    assert shop.run("dead", "log", "--json").json == []
