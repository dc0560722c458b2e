"""The flights app on SQS, DynamoDB and S3 by its environment alone, with a worker process beside it."""

from __future__ import annotations

import gzip
import http.client
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.aws.places import Place, bucket
from tests.aws.servers import Server
from tests.examples.site import Site, served
from twolane.cli.demo.client import Client
from twolane.cli.demo.data import generate
from twolane.cli.demo.failure import DemoFailed
from twolane.contracts.queue import Outgoing, Send
from twolane.values.outcome import Reason
from twolane.values.record import State

LEASE_S = 4


@pytest.fixture(scope="module")
def site(aws: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    place = Place(aws)
    moved = {
        "TWOLANE_QUEUE": f"{place.address}?poll_s=1&lease_s={LEASE_S}",
        "TWOLANE_STATE": f"dynamodb://{place.name}",
        "TWOLANE_BLOBS": str(bucket(aws).bucket),
        "TWOLANE_ALERTS": "log",
        "FLIGHTS_MAX_UPLOAD_BYTES": "12000000",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in aws.environment.items():
            patch.setenv(name, value)
        with served(tmp_path_factory.mktemp("site"), worker=True, **moved) as site:
            site.processes.until(site.worker_pid, "the worker to start", within_s=60)
            yield site
    place.close()


@pytest.fixture
def client(site: Site) -> Client:
    return Client(urlsplit(site.url).port or 0)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file with rejected rows, long enough to be interrupted."""
    path = tmp_path / "flights.csv"
    generate(path, int.from_bytes(os.urandom(4)), size_bytes=2_200_000, bad_rows=20)
    return path


def finished(site: Site, client: Client, import_id: str) -> dict[str, Any]:
    """The last progress of an import."""

    def look() -> dict[str, Any] | None:
        seen: dict[str, Any] = client.get(f"/imports/{import_id}")
        return None if seen["state"] in ("waiting", "running", "cancelling") else seen

    return site.processes.until(look, "the import to end", within_s=90)


def test_a_file_comes_from_the_bucket_and_the_same_one_again_changes_nothing(
    site: Site, client: Client, file: Path
) -> None:
    ticket = client.upload("/imports", file)
    done = finished(site, client, ticket["id"])

    assert (done["state"], done["rejected"], done["attempt"], done["percent"]) == ("done", 20, 1, 100)
    assert done["rows"] == file.read_bytes().count(b"\n") - 1
    assert client.upload("/imports", file) == ticket
    assert client.get(ticket["status_url"])["state"] == "done"


def test_a_kill_costs_no_attempt_and_the_customer_sees_where_it_went_on(
    site: Site, client: Client, file: Path
) -> None:
    ticket = client.upload("/imports", file)
    site.kill_worker_amid(ticket["id"], behind=0.05)
    done = finished(site, client, ticket["id"])

    assert (done["state"], done["attempt"], done["rejected"]) == ("done", 1, 20)
    assert done["rows"] == file.read_bytes().count(b"\n") - 1
    assert 0 < done["resumed_at_row"] <= done["rows"]
    page = read(site, client, f"/imports/{ticket['id']}", accept="text/html")
    assert f"It was interrupted, resumed at row {done['resumed_at_row']:,}." in page


def test_what_is_cancelled_stops_and_stays_cancelled(site: Site, client: Client, file: Path) -> None:
    ticket = client.upload("/imports", file)
    client.post_form(f"/imports/{ticket['id']}/cancel")

    assert finished(site, client, ticket["id"])["state"] == "cancelled"
    with pytest.raises(DemoFailed, match="409"):
        client.post_form(f"/imports/{ticket['id']}/cancel")
    assert client.upload("/imports", file)["id"] != ticket["id"]


def test_events_tell_of_the_import_until_it_is_done(site: Site, client: Client, file: Path) -> None:
    ticket = client.upload("/imports", file)

    told = read(site, client, f"{ticket['status_url']}/events", accept="text/event-stream")

    states = [json.loads(line[5:])["state"] for line in told.splitlines() if line.startswith("data:")]
    assert states[-1] == "done"
    assert "running" in states


def test_a_file_that_turns_bad_is_the_customers_to_know_and_no_dead_letter(
    site: Site, client: Client, file: Path
) -> None:
    dead = len(site.runtime.stores.records.list_dead())
    generate(file, 1, size_bytes=6_000_000)
    whole = gzip.compress(file.read_bytes(), 1)
    file.write_bytes(whole[:-10_000])  # behind all that the upload looks at

    failed = finished(site, client, client.upload("/imports", file)["id"])

    assert failed["state"] == "failed"
    assert "The gzip archive is damaged or cut off" in failed["problem"]
    assert len(site.runtime.stores.records.list_dead()) == dead


def test_what_nobody_can_read_is_a_dead_letter_that_is_told(site: Site) -> None:
    runtime = site.runtime
    sent = Outgoing(runtime.new_id(), "default", "", "this is no envelope", "", runtime.clock.now())
    runtime.batcher.ask_blocking(Send((sent,)))

    def told() -> bool:
        stats = runtime.stores.records.stats()
        record = runtime.read(sent.id)
        return record is not None and record.state is State.DEAD and stats.owed_alerts == 0

    site.processes.until(told, "the death to be told")

    [letter] = [each for each in runtime.stores.records.list_dead() if each.record.id == sent.id]
    assert (letter.record.reason, letter.body) == (Reason.UNREADABLE, "this is no envelope")


def read(site: Site, client: Client, path: str, *, accept: str) -> str:
    """An answer to its end, as the same customer."""
    where = urlsplit(site.url)
    connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=60)
    try:
        connection.request("GET", path, headers={"Accept": accept, **client.cookie_header()})
        answer = connection.getresponse()
        text = answer.read().decode()
        assert answer.status == 200, text
        return text
    finally:
        connection.close()
