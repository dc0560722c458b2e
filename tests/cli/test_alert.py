"""twolane alert: the targets, what they are owed, and whether a test reaches them."""

from __future__ import annotations

from tests.cli.conftest import Shop
from tests.inbox import web_inbox

SECRET = "t0ken-of-nobody"  # noqa: S105


def test_it_tells_how_far_each_target_is(shop: Shop) -> None:
    [target] = shop.run("alert", "--json").json
    assert (target["target"], target["owed"], target["error"]) == ("the log", 0, None)
    assert target["told_at"] is not None
    told = shop.run("alert")
    assert told.code == 0
    assert "the log" in told.out


def test_a_test_goes_to_each_target(shop: Shop) -> None:
    with web_inbox() as inbox:
        told = shop.run("alert", "--test", TWOLANE_ALERTS=f"{inbox.address}, log")
        assert told.code == 0, told
        assert f"json://127.0.0.1:{inbox.port}" in told.out
        assert told.out.count("accepted") == 2
        [text] = inbox.texts()
        assert "twolane: a test" in text
    assert "twolane: a test" in told.err, "the log is tested too"


def test_one_that_does_not_take_it_is_said(shop: Shop) -> None:
    with web_inbox() as inbox:
        inbox.status = 500
        addresses = f"{inbox.address} slack://{SECRET} nonsense"
        told = shop.run("alert", "--test", "--json", TWOLANE_ALERTS=addresses)
    assert told.code == 6
    log, web, slack, nonsense = told.json
    assert (log["accepted"], web["accepted"], slack["accepted"]) == (True, False, False)
    assert "500" in web["problem"]
    for each in (slack, nonsense):
        assert "does not understand this address" in each["problem"]
    assert SECRET not in told.out + told.err


def test_where_no_target_is_named_it_says_so(shop: Shop) -> None:
    told = shop.run("alert", "--test")
    assert told.code == 0
    assert "nobody is told beside the log" in told.out


def test_doctor_tells_the_targets_without_their_secrets(shop: Shop) -> None:
    told = shop.run(
        "doctor", "--json", TWOLANE_ALERTS=f"json://u:{SECRET}@127.0.0.1:9/{SECRET} slack://{SECRET}"
    )
    assert SECRET not in told.out + told.err
    assert told.json["settings"]["alerts"]["from"] == "TWOLANE_ALERTS"
    assert told.json["settings"]["alerts"]["value"].startswith("the log, json://127.0.0.1:9 (")
    good, bad = told.json["alerts"].values()
    assert good is None
    assert "does not understand" in bad
    plain = shop.run("doctor", TWOLANE_ALERTS=f"slack://{SECRET}")
    assert "slack://*** (" in plain.out
    assert SECRET not in plain.out + plain.err
