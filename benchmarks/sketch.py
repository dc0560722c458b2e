"""The bare sketch: group commit and batch claim over the schema of a database that the product has made.

No product code and no mercy: no retries, no leases, no errors, no other processes. What is left is what
SQLite, JSON, asyncio and pydantic cost by themselves.
"""

import asyncio
import json
import queue
import sqlite3
import threading
import time
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path

from pydantic import BaseModel

MESSAGE = """INSERT INTO messages (seq, id, queue, task, digest, sent_at, visible_at, max_attempts)
             VALUES (?, ?, 'default', 'noop', '', ?, ?, 5)"""
WAITING = """SELECT m.seq, body FROM messages AS m JOIN bodies USING (seq) WHERE state = 'waiting' AND suspect = 0
             AND queue = 'default' AND task = 'noop' AND visible_at <= ? ORDER BY visible_at LIMIT ?"""
CLAIM = "UPDATE messages SET state = 'running', receipt = seq, started_at = ? WHERE seq = ?"
RECORD = "UPDATE messages SET state = 'done', receipt = NULL, finished_at = ? WHERE seq = ?"


class Arguments(BaseModel):
    number: int


def envelope(number: int) -> tuple[str, str]:
    message = str(uuid.uuid4())
    policy = {"max_attempts": 5, "timeout_s": 300.0, "patience_s": 3600.0}
    head = {
        "v": 1,
        "id": message,
        "task": "noop",
        "queue": "default",
        "sent_at": time.time(),
        "policy": policy,
    }
    return message, json.dumps({**head, "args": {"number": number}})


def connect(database: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(database, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA synchronous = FULL")
    return connection


def insert(connection: sqlite3.Connection, messages: list[tuple[str, str]]) -> None:
    now = time.time()
    connection.execute("BEGIN IMMEDIATE")
    (last,) = connection.execute("SELECT coalesce(max(seq), 0) FROM messages").fetchone()
    rows = [(seq, *message) for seq, message in enumerate(messages, last + 1)]
    connection.executemany(MESSAGE, [(seq, message_id, now, now) for seq, message_id, _ in rows])
    connection.executemany("INSERT INTO bodies VALUES (?, ?)", [(seq, body) for seq, _, body in rows])
    connection.execute("COMMIT")


class GroupCommit:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self.arrivals: queue.SimpleQueue = queue.SimpleQueue()
        threading.Thread(target=self.run, daemon=True).start()

    async def send(self, number: int) -> None:
        done = asyncio.get_running_loop().create_future()
        self.arrivals.put((envelope(number), done))
        await done

    def run(self) -> None:
        while (first := self.arrivals.get()) is not None:
            batch = [first, *(self.arrivals.get() for _ in range(self.arrivals.qsize()))]
            insert(self.connection, [body for body, _ in batch])
            batch[0][1].get_loop().call_soon_threadsafe(
                lambda done: [d.set_result(None) for _, d in done], batch
            )


async def drain(
    connection: sqlite3.Connection, fn: Callable[[int], Awaitable[None]], batch: int = 100
) -> None:
    done: list[tuple[float, int]] = []
    while True:
        now = time.time()
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(RECORD, done)
        claimed = connection.execute(WAITING, (now, batch)).fetchall()
        connection.executemany(CLAIM, [(now, seq) for seq, _ in claimed])
        connection.execute("COMMIT")
        if not claimed:
            return
        done = []
        for seq, body in claimed:
            async with asyncio.timeout(300):
                await fn(Arguments.model_validate(json.loads(body)["args"]).number)
            done.append((time.time(), seq))
