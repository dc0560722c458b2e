"""What the story has at hand: the file, the processes, and what can be seen of queue and app from outside."""

from __future__ import annotations

import random
import re
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from twolane.cli.demo.client import Client
from twolane.cli.demo.data import CsvFile
from twolane.cli.demo.failure import DemoFailed
from twolane.cli.demo.place import Place
from twolane.cli.demo.processes import Processes
from twolane.cli.demo.report import Report
from twolane.cli.demo.rows import Ends
from twolane.contracts.records import Records
from twolane.engine.runtime import Runtime
from twolane.values.record import Record

_PORT = re.compile(r"running on http://127\.0\.0\.1:(\d+)")
_STORED = "SELECT (SELECT count(*) FROM flights) + (SELECT count(*) FROM rejected)"


@dataclass(frozen=True)
class Stage:
    """What the story has at hand.

    Attributes:
        folder: the app's database, its mail, the logs.
        file: what is uploaded.
        place: where it is played.
        runtime: the queue, seen from outside its worker.
        processes: the app and its worker.
        report: who is told.
        chance: where the kills fall.
    """

    folder: Path
    file: CsvFile
    place: Place
    runtime: Runtime
    processes: Processes
    report: Report
    chance: random.Random

    @property
    def database(self) -> Path:
        """The example app's own."""
        return self.folder / "flights.db"

    @cached_property
    def client(self) -> Client:
        """A customer of the app, once the app listens.

        Raises:
            DemoFailed: it does not come up.
        """
        return Client(self.processes.until(self._port, "the app to listen"))

    @property
    def records(self) -> Records:
        """What can be read of the queue."""
        return self.runtime.stores.records

    @cached_property
    def ends(self) -> Ends:
        """Where the rows of the file end."""
        return Ends(self.file.path)

    def worker_pid(self) -> int | None:
        """The process that works now; None: there is none."""
        return self.place.worker_pid(self.records)

    def record(self, message_id: str) -> Record:
        """The record of a message that was accepted.

        Raises:
            DemoFailed: there is none.
        """
        record = self.records.get(message_id)
        if record is None:
            raise DemoFailed(f"message {message_id} was accepted and there is no record of it")
        return record

    def look_at_import(self, import_id: str) -> Record:
        """The record of the import; now and then its customer's view of it is shown."""
        self.report.follow(lambda: self.progress(import_id))
        return self.record(import_id)

    def progress(self, import_id: str) -> Any:
        """What the app tells its customer of an import."""
        return self.client.get(f"/imports/{import_id}")

    def stored_rows(self) -> int:
        """Rows in the app's database, imported and rejected."""
        with closing(sqlite3.connect(f"{self.database.as_uri()}?mode=ro", uri=True)) as connection:
            return int(connection.execute(_STORED).fetchone()[0])

    def welcome_mails(self) -> int:
        """Mails in the app's sink."""
        return len(list((self.folder / "mail").glob("*.eml")))

    def _port(self) -> int | None:
        found = _PORT.search(self.processes.log("api").read_text(errors="replace"))
        return int(found[1]) if found else None
