"""From a task and its arguments to what the queue is given."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import logging
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from twolane import ArgumentsRefused, Blob, BlobError, BlobTooLarge, SendRefused, SendUnknown, Tasks
from twolane.backends.memory import MemoryBlobs, MemoryQueue
from twolane.contracts.queue import Outgoing
from twolane.engine import sender as module
from twolane.engine.sender import Prepared, Sender
from twolane.engine.task import Sendable
from twolane.engine.uploads import pending
from twolane.testing import VirtualClock
from twolane.values.blob import BlobRef
from twolane.values.message import decode

LIMIT = 10_000
ID = "0190163d-8694-739b-aea5-966c26f8ad91"
OTHER_ID = "0190163d-8694-739b-aea5-966c26f8ad92"


@pytest.fixture
def mail(tasks: Tasks) -> Any:
    @tasks.task(if_lost="alert", name="mail", queue="mails", max_attempts=3)
    def mail(to: str, text: str = "") -> None: ...

    return mail


@pytest.fixture
def read(tasks: Tasks) -> Any:
    @tasks.task(if_lost="alert", name="read")
    def read(upload: Blob, more: Blob | None = None) -> None: ...

    return read


@pytest.fixture
def out(sender: Sender) -> Any:
    def out(task: Sendable[...], *args: Any, **kwargs: Any) -> Outgoing:
        return sender.outgoing(sender.prepare(task, args, kwargs))

    return out


def upload(data: bytes = b"bytes") -> Any:
    return pending(data, limit_bytes=LIMIT)


class TestOutgoing:
    def test_carries_what_the_queue_must_know(self, out: Any, mail: Any, clock: VirtualClock) -> None:
        outgoing = out(mail, "ann")
        assert (outgoing.id, outgoing.task, outgoing.queue) == ("id-0", "mail", "mails")
        assert (outgoing.sent_at, outgoing.delay_s, outgoing.max_attempts) == (clock.now(), 0.0, 3)
        assert (outgoing.unique_key, outgoing.blobs, outgoing.parent) == (None, (), None)
        assert outgoing.size_bytes == len(outgoing.body)

    def test_its_body_is_the_envelope(self, out: Any, mail: Any, clock: VirtualClock) -> None:
        message = decode(out(mail, "ann").body)
        assert (message.id, message.task, message.queue) == ("id-0", "mail", "mails")
        assert message.args == {"to": "ann", "text": ""}
        assert (message.sent_at, message.expires_at) == (clock.now(), None)
        assert (message.policy.max_attempts, message.policy.timeout_s, message.policy.patience_s) == (
            3,
            300,
            3600,
        )

    def test_takes_the_options_of_the_send(self, out: Any, mail: Any, clock: VirtualClock) -> None:
        outgoing = out(mail.options(id=ID, delay_s=60, unique_key="k", expires_after_s=5), "ann")
        assert (outgoing.id, outgoing.delay_s, outgoing.unique_key) == (ID, 60, "k")
        assert decode(outgoing.body).expires_at == clock.now() + 65

    def test_takes_expiry_and_uniqueness_of_the_task(
        self, out: Any, tasks: Tasks, clock: VirtualClock
    ) -> None:
        @tasks.task(if_lost="alert", expires_after_s=7, unique_key="{to}/{n}")
        def remind(to: str, n: int = 1) -> None: ...

        outgoing = out(remind, "ann")
        assert outgoing.unique_key == "ann/1"
        assert decode(outgoing.body).expires_at == clock.now() + 7
        assert out(remind.options(unique_key="mine"), "ann").unique_key == "mine"
        assert decode(out(remind.options(expires_after_s=1), "ann").body).expires_at == clock.now() + 1

    def test_knows_its_parent(self, sender: Sender, mail: Any) -> None:
        outgoing = sender.outgoing(sender.prepare(mail, ("ann",), {}, parent="p"))
        assert outgoing.parent == decode(outgoing.body).parent == "p"


class TestDigest:
    def test_is_equal_for_equal_arguments_however_given(self, out: Any, mail: Any) -> None:
        assert out(mail, "ann").digest == out(mail.options(delay_s=5), to="ann", text="").digest

    def test_differs_with_the_arguments_and_the_task(self, out: Any, mail: Any, tasks: Tasks) -> None:
        same = tasks.task(if_lost="alert", name="post")(mail)
        assert len({out(mail, "ann").digest, out(mail, "bob").digest, out(same, "ann").digest}) == 3

    def test_does_not_go_by_the_order_of_an_object(self, out: Any, tasks: Tasks) -> None:
        @tasks.task(if_lost="alert")
        def note(labels: dict[str, Any]) -> None: ...

        one, other = {"a": {"x": 1, "y": 2}, "b": None}, {"b": None, "a": {"y": 2, "x": 1}}
        assert out(note, one).digest == out(note, other).digest
        assert out(note, one).digest != out(note, {**one, "b": "null"}).digest

    def test_does_not_go_by_the_order_of_the_parameters(self, out: Any, mail: Any, tasks: Tasks) -> None:
        def later(text: str, to: str) -> None: ...

        other = Tasks().task(if_lost="alert", name="mail", queue="mails")(later)
        assert out(mail, "ann", "hello").digest == out(other, "hello", "ann").digest

    def test_is_that_of_the_bytes_where_they_are_uploaded(self, out: Any, read: Any) -> None:
        assert out(read, upload()).digest == out(read, upload()).digest
        assert out(read, upload()).digest != out(read, upload(b"other")).digest
        assert out(read, upload(), upload(b"x")).digest != out(read, upload(b"x"), upload()).digest


class TestStore:
    def test_answers_in_order(self, sender: Sender, mail: Any) -> None:
        batch = [sender.prepare(mail, (name,), {}) for name in "abc"]
        assert [sent.id for sent in asyncio.run(sender.store(batch))] == ["id-0", "id-1", "id-2"]

    def test_blocks_as_well(self, sender: Sender, mail: Any, queue: MemoryQueue) -> None:
        (sent,) = sender.store_blocking([sender.prepare(mail, ("a",), {})])
        assert queue.get(sent.id)

    def test_all_or_none(self, sender: Sender, mail: Any, queue: MemoryQueue) -> None:
        sender.store_blocking([sender.prepare(mail.options(id=ID), ("a",), {})])
        batch = [sender.prepare(mail, ("b",), {}), sender.prepare(mail.options(id=ID), ("c",), {})]
        with pytest.raises(SendRefused):
            sender.store_blocking(batch)
        assert queue.stats().accepted == 1

    def test_a_stored_id_with_equal_arguments_is_the_same_send(
        self, sender: Sender, mail: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO, "twolane.send")
        for duplicate in (False, True):
            (sent,) = sender.store_blocking([sender.prepare(mail.options(id=ID), ("a",), {})])
            assert (sent.id, sent.duplicate) == (ID, duplicate)
        assert f"mail {ID} is stored already as {ID}" in caplog.text

    def test_a_stored_id_with_others_is_refused(self, sender: Sender, mail: Any) -> None:
        sender.store_blocking([sender.prepare(mail.options(id=ID), ("a",), {})])
        with pytest.raises(SendRefused, match="is stored with another task or arguments") as caught:
            sender.store_blocking([sender.prepare(mail.options(id=ID), ("b",), {})])
        assert caught.value.ids == (ID,)

    def test_a_unique_key_that_waits_answers_with_its_own_id(self, sender: Sender, mail: Any) -> None:
        for message_id in (ID, OTHER_ID):
            task = mail.options(id=message_id, unique_key="k")
            (sent,) = sender.store_blocking([sender.prepare(task, ("a",), {})])
            assert sent.id == ID

    def test_no_answer_in_time_leaves_it_unknown(
        self, sender: Sender, mail: Any, queue: MemoryQueue, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        go = threading.Event()
        flush = queue.flush
        monkeypatch.setattr(queue, "flush", lambda entries: (go.wait(30), flush(entries))[1])
        monkeypatch.setattr(module, "SEND_TIMEOUT_S", 0.01)
        prepared = sender.prepare(mail, ("a",), {})
        try:
            with pytest.raises(SendUnknown, match=r"no answer within 0.01 s") as caught:
                asyncio.run(sender.store([prepared]))
            assert caught.value.ids == (prepared.id,)
            with pytest.raises(SendUnknown, match=r"no answer within 0.01 s"):
                sender.store_blocking([prepared])
        finally:
            go.set()

    def test_does_not_hold_up_the_event_loop_with_blobs(
        self, sender: Sender, read: Any, blobs: MemoryBlobs
    ) -> None:
        async def main() -> None:
            loop_reached = asyncio.Event()
            loop = asyncio.get_running_loop()

            class Waits(io.BytesIO):
                def read(self, size: int | None = -1, /) -> bytes:
                    asyncio.run_coroutine_threadsafe(loop_reached.wait(), loop).result(30)
                    return super().read(size)

            prepared = sender.prepare(read, (pending(Waits(b"x"), limit_bytes=LIMIT),), {})
            storing = asyncio.create_task(sender.store([prepared]))
            await asyncio.sleep(0)
            loop_reached.set()
            await storing

        asyncio.run(main())
        assert len(list(blobs.stored())) == 1


class TestClaimCheck:
    def test_large_arguments_lie_in_a_blob(self, out: Any, mail: Any, blobs: MemoryBlobs) -> None:
        outgoing = out(mail, "ann", "x" * 2000)
        message = decode(outgoing.body)
        assert message.args is None
        assert message.args_blob is not None
        assert outgoing.blobs == (message.args_blob.key,)
        assert outgoing.size_bytes == len(outgoing.body) + message.args_blob.size_bytes
        with blobs.open(message.args_blob) as file:
            assert json.load(file) == {"to": "ann", "text": "x" * 2000}

    def test_up_to_the_limit_they_do_not(self, out: Any, mail: Any, blobs: MemoryBlobs) -> None:
        fits = 1000 - len(out(mail, "ann").body)
        assert len(out(mail, "ann", "x" * fits).body) == 1000
        assert list(blobs.stored()) == []
        out(mail, "ann", "x" * (fits + 1))
        assert len(list(blobs.stored())) == 1

    def test_over_the_upload_limit_they_are_refused(self, out: Any, mail: Any, blobs: MemoryBlobs) -> None:
        with pytest.raises(
            ArgumentsRefused, match=rf"task mail: the arguments take \d+ bytes, the limit is {LIMIT}"
        ):
            out(mail, "ann", "x" * LIMIT)
        assert list(blobs.stored()) == []

    def test_has_the_digest_of_the_arguments(self, out: Any, mail: Any) -> None:
        assert out(mail, "ann", "x" * 2000).digest == out(mail, "ann", "x" * 2000).digest

    def test_the_same_id_with_equal_large_arguments_is_the_same_send(self, sender: Sender, mail: Any) -> None:
        for duplicate in (False, True):
            prepared = sender.prepare(mail.options(id=ID), ("ann", "x" * 2000), {})
            assert sender.store_blocking([prepared])[0].duplicate is duplicate


class TestBlobs:
    def test_are_stored_with_the_send_and_not_before(
        self, sender: Sender, read: Any, blobs: MemoryBlobs
    ) -> None:
        prepared = sender.prepare(read, (upload(),), {})
        assert list(blobs.stored()) == []
        outgoing = sender.outgoing(prepared)
        ((key, _),) = blobs.stored()
        assert outgoing.blobs == (key,)
        assert outgoing.size_bytes == len(outgoing.body) + len(b"bytes")
        stored = decode(outgoing.body).args
        assert stored is not None
        ref = BlobRef.from_json(stored["upload"])
        assert (ref.key, ref.size_bytes, ref.sha256) == (key, 5, hashlib.sha256(b"bytes").hexdigest())

    def test_are_stored_once_for_two_sends(self, sender: Sender, read: Any, blobs: MemoryBlobs) -> None:
        given = upload()
        one, two = (sender.outgoing(sender.prepare(read, (given, given), {})) for _ in "12")
        assert len(list(blobs.stored())) == 1
        assert set(one.blobs) == set(two.blobs)
        assert one.digest == two.digest

    def test_that_cannot_be_stored_refuse_the_send(
        self, out: Any, read: Any, monkeypatch: pytest.MonkeyPatch, blobs: MemoryBlobs
    ) -> None:
        def full(*args: Any, **kwargs: Any) -> Any:
            raise BlobError("the disk is full")

        monkeypatch.setattr(blobs, "put", full)
        with pytest.raises(
            SendRefused, match=r"task read: its bytes cannot be stored .the disk is full.; no message"
        ):
            out(read, upload())

    def test_whose_source_was_closed_refuse_the_send(self, out: Any, read: Any) -> None:
        source = io.BytesIO(b"x")
        given = pending(source, limit_bytes=LIMIT)
        source.close()
        with pytest.raises(SendRefused, match="cannot be read"):
            out(read, given)

    def test_of_a_message_may_go_on_to_another(self, out: Any, read: Any, blobs: MemoryBlobs) -> None:
        ref = blobs.put(io.BytesIO(b"x"))
        assert out(read, Blob(ref, blobs.open)).blobs == (ref.key,)


class TestPending:
    @pytest.mark.parametrize("kind", ["bytes", "bytearray", "path", "file", "upload"])
    def test_takes_what_has_bytes(self, kind: str, tmp_path: Path, blobs: MemoryBlobs) -> None:
        path = tmp_path / "a.csv"
        path.write_bytes(b"bytes")
        file = io.BytesIO(b"bytes")
        file.seek(3)
        source, name = {
            "bytes": (b"bytes", ""),
            "bytearray": (bytearray(b"bytes"), ""),
            "path": (path, "a.csv"),
            "file": (file, ""),
            "upload": (SimpleNamespace(file=file, filename="b.csv", size=5), "b.csv"),
        }[kind]
        blob = pending(source, limit_bytes=5)
        assert (blob.size_bytes, blob.name) == (5, name)
        blob.store(blobs)
        with blob.open() as stored:
            assert stored.read() == b"bytes"

    @pytest.mark.parametrize("source", [7, None, io.StringIO("x"), ["x"]])
    def test_takes_nothing_else(self, source: Any) -> None:
        with pytest.raises(TypeError, match="takes an UploadFile, bytes, a path or a binary file, not"):
            pending(source, limit_bytes=5)

    def test_refuses_at_once_what_is_known_to_be_too_large(self, tmp_path: Path) -> None:
        path = tmp_path / "a.csv"
        path.write_bytes(b"123456")
        for source in (b"123456", path, io.BytesIO(b"123456"), SimpleNamespace(file=io.BytesIO(), size=6)):
            with pytest.raises(BlobTooLarge, match="has 6 bytes, the limit is 5"):
                pending(source, limit_bytes=5)

    def test_refuses_what_turns_out_to_be_too_large(self, out: Any, read: Any, blobs: MemoryBlobs) -> None:
        class Stream(io.BytesIO):
            def seekable(self) -> bool:
                return False

        given = pending(Stream(b"x" * (LIMIT + 1)), limit_bytes=LIMIT)
        assert given.size_bytes == 0
        with pytest.raises(BlobTooLarge):
            out(read, given)
        assert list(blobs.stored()) == []


class TestPrepare:
    def test_stores_nothing(self, sender: Sender, mail: Any, queue: MemoryQueue) -> None:
        prepared = sender.prepare(mail, ("ann",), {})
        assert isinstance(prepared, Prepared)
        assert (prepared.ticket.id, prepared.ticket.task, prepared.ticket.lane) == ("id-0", "mail", "queue")
        assert queue.stats().accepted == 0

    @pytest.mark.parametrize("text", ["\ud800", "a\udcff"])
    def test_names_what_json_cannot_carry(self, sender: Sender, mail: Any, text: str) -> None:
        with pytest.raises(ArgumentsRefused, match="`text`"):
            sender.prepare(mail, ("ann", text), {})

    def test_names_a_float_that_json_cannot_carry(self, sender: Sender, tasks: Tasks) -> None:
        @tasks.task(if_lost="alert")
        def measure(value: float) -> None: ...

        with pytest.raises(ArgumentsRefused, match="`value` cannot be stored as JSON"):
            sender.prepare(measure, (float("nan"),), {})
