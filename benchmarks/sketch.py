"""The bare sketch: group commit and batch claim over the product's schema; no retries, leases, errors, or mercy."""

import asyncio
import json
import queue
import sqlite3
import threading
import time
import uuid

from pydantic import create_model

MESSAGE = """INSERT INTO messages (seq, id, queue, task, digest, sent_at, visible_at, max_attempts)
             VALUES (?, ?, 'default', 'noop', '', ?, ?, 5)"""
WAITING = """SELECT m.seq, body FROM messages AS m JOIN bodies USING (seq) WHERE state = 'waiting' AND suspect = 0
             AND queue = 'default' AND task = 'noop' AND visible_at <= ? ORDER BY visible_at LIMIT ?"""
CLAIM = "UPDATE messages SET state = 'running', receipt = seq, started_at = ? WHERE seq = ?"
RECORD = "UPDATE messages SET state = 'done', receipt = NULL, finished_at = ? WHERE seq = ?"
POLICY = {"max_attempts": 5, "timeout_s": 300.0, "patience_s": 3600.0}
Arguments = create_model("Arguments", number=(int, ...))


def envelope(number):
    message = {"v": 1, "task": "noop", "queue": "default", "policy": POLICY, "args": {"number": number}}
    message["id"], message["sent_at"] = str(uuid.uuid4()), time.time()
    return message["id"], json.dumps(message)


def insert(db: sqlite3.Connection, messages):
    now = time.time()
    db.execute("BEGIN IMMEDIATE")
    (last,) = db.execute("SELECT coalesce(max(seq), 0) FROM messages").fetchone()
    rows = list(enumerate(messages, last + 1))
    db.executemany(MESSAGE, [(seq, message_id, now, now) for seq, (message_id, _) in rows])
    db.executemany("INSERT INTO bodies VALUES (?, ?)", [(seq, body) for seq, (_, body) in rows])
    db.execute("COMMIT")


class GroupCommit:
    def __init__(self, db: sqlite3.Connection):
        self.db, self.arrivals, self.leaving = db, queue.SimpleQueue(), []
        threading.Thread(target=self.run, daemon=True).start()

    async def send(self, number):
        if not self.leaving:  # a turn of the loop sends them together, lest loop and writer fight for the GIL
            asyncio.get_running_loop().call_soon(self.leave)
        self.leaving.append((envelope(number), done := asyncio.get_running_loop().create_future()))
        await done

    def leave(self):
        self.arrivals.put(self.leaving)
        self.leaving = []

    def run(self):
        while batch := self.arrivals.get():
            insert(self.db, [message for message, _ in batch])
            batch[0][1].get_loop().call_soon_threadsafe(self.answer, batch)

    def answer(self, batch):
        for _, done in batch:
            done.set_result(None)


async def drain(db: sqlite3.Connection, fn, batch):
    done = []
    while True:
        now = time.time()
        db.execute("BEGIN IMMEDIATE")
        db.executemany(RECORD, done)
        claimed = db.execute(WAITING, (now, batch)).fetchall()
        db.executemany(CLAIM, [(now, seq) for seq, _ in claimed])
        db.execute("COMMIT")
        if not claimed:
            return
        done = []
        for seq, body in claimed:
            async with asyncio.timeout(300):
                await fn(Arguments.model_validate(json.loads(body)["args"]).number)
            done.append((time.time(), seq))
