"""L15: many sends in flight share one commit. Durability is paid per batch, not per message."""

from __future__ import annotations

from tests.contract.commits import commits_in_log
from tests.contract.house import House, InSqlite
from twolane.contracts.queue import AckDelivery, Send


def test_l15_a_flush_of_many_sends_is_one_commit(sqlite: InSqlite, sqlite_house: House) -> None:
    sqlite_house.send()
    before = commits_in_log(sqlite.path)

    sqlite_house.try_all(*(Send((sqlite_house.outgoing(),)) for _ in range(100)))

    assert commits_in_log(sqlite.path) - before == 1
    assert sqlite_house.records.stats().accepted == 101


def test_l15_one_that_is_refused_costs_the_others_nothing(sqlite: InSqlite, sqlite_house: House) -> None:
    sqlite_house.send()
    before = commits_in_log(sqlite.path)

    sqlite_house.try_all(
        *(Send((sqlite_house.outgoing(body="é" if number == 50 else "{}"),)) for number in range(100))
    )

    assert commits_in_log(sqlite.path) - before == 1
    assert sqlite_house.records.stats().accepted == 100


def test_l15_settlements_share_it_too(sqlite: InSqlite, sqlite_house: House) -> None:
    for _ in range(20):
        sqlite_house.send()
    receipts = [delivery.receipt for delivery in sqlite_house.receive()]
    before = commits_in_log(sqlite.path)

    sqlite_house.try_all(*map(AckDelivery, receipts), Send((sqlite_house.outgoing(),)))

    assert commits_in_log(sqlite.path) - before == 1


def test_each_flush_is_a_commit(sqlite: InSqlite, sqlite_house: House) -> None:
    """What the counting of the others rests on."""
    sqlite_house.send()
    before = commits_in_log(sqlite.path)

    for _ in range(3):
        sqlite_house.send()

    assert commits_in_log(sqlite.path) - before == 3
