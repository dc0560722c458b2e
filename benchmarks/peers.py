"""huey (SQLite, fsync) and persist-queue (SQLite, acknowledged): both as durable as they can be set."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from huey import SqliteHuey
from huey.consumer import Consumer
from persistqueue import SQLiteAckQueue
from persistqueue.serializers import json as json_serializer

from benchmarks.noop import Finish

SLOTS = 10


def make_huey(folder: Path, finish=lambda: None):
    huey = SqliteHuey(filename=str(folder / "huey.db"), fsync=True)

    @huey.task(name="noop")
    def noop(number: int) -> None:
        del number
        finish()

    return huey, noop


def make_persist_queue(folder: Path) -> SQLiteAckQueue:
    return SQLiteAckQueue(str(folder), multithreading=True, serializer=json_serializer)


def threads_send(send, callers: int, total: int) -> float:
    with ThreadPoolExecutor(callers) as pool:
        list(pool.map(lambda _: None, range(callers)))
        began = time.perf_counter()
        list(pool.map(send, range(total)))
        return total / (time.perf_counter() - began)


def huey_sends(folder: Path, callers: int, total: int) -> float:
    _, noop = make_huey(folder)
    return threads_send(noop, callers, total)


def persist_queue_sends(folder: Path, callers: int, total: int) -> float:
    queue = make_persist_queue(folder)
    return threads_send(lambda number: queue.put({"task": "noop", "number": number}), callers, total)


def huey_drains(folder: Path, total: int) -> float:
    finish, ended = Finish(total), threading.Event()
    finish.on_end = ended.set
    huey, noop = make_huey(folder, finish)
    for number in range(total):
        noop(number)
    consumer = Consumer(huey, workers=SLOTS, periodic=False)
    for _, thread in consumer.worker_threads:
        thread.start()
    if not ended.wait(120):
        raise TimeoutError("huey did not drain")
    consumer.stop_flag.set()
    for _, thread in consumer.worker_threads:
        thread.join()
    return finish.rate


def persist_queue_drains(folder: Path, total: int) -> float:
    """A bare loop of get, run, ack: the library has no worker."""
    queue, finish = make_persist_queue(folder), Finish(total)
    for number in range(total):
        queue.put({"task": "noop", "number": number})
    for _ in range(total):
        item = queue.get()
        finish()
        queue.ack(item)
    return finish.rate
