"""L15: many sends in flight share one commit. Durability is paid per batch, not per message."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from tests.contract.commits import commits_in_log
from tests.contract.house import House, InSqlite
from twolane.contracts.queue import AckDelivery, Send, Sent
from twolane.engine.batcher import Batcher


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


def test_l15_what_arrives_during_a_flush_shares_the_next(sqlite: InSqlite, sqlite_house: House) -> None:
    sends = [Send((sqlite_house.outgoing(),)) for _ in range(100)]
    batcher = Batcher(sqlite_house.queue)
    answered: list[object] = []
    done = threading.Event()

    def resolve(answer: object) -> None:
        answered.append(answer)
        if len(answered) == len(sends):
            done.set()

    def during_a_flush(_: object) -> None:
        counted.append(commits_in_log(sqlite.path))
        for send in sends:
            batcher.submit(send, resolve)

    counted: list[int] = []
    batcher.submit(Send((sqlite_house.outgoing(),)), during_a_flush)
    assert done.wait(timeout=60)

    assert commits_in_log(sqlite.path) - counted[0] == 1
    assert answered == [(Sent(send.messages[0].id),) for send in sends]
    batcher.close()


def test_l15_callers_in_many_threads_pay_for_flushes_only(sqlite: InSqlite, sqlite_house: House) -> None:
    sqlite_house.send()
    before = commits_in_log(sqlite.path)
    sends = [Send((sqlite_house.outgoing(),)) for _ in range(200)]
    batcher = Batcher(sqlite_house.queue)

    with ThreadPoolExecutor(20) as callers:
        answers = list(callers.map(batcher.ask_blocking, sends))

    assert answers == [(Sent(send.messages[0].id),) for send in sends]
    assert commits_in_log(sqlite.path) - before == batcher.flushes <= len(sends)
    batcher.close()
