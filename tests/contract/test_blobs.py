"""What holds of every store of blobs."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.aws.places import bucket
from tests.clock import FakeClock
from twolane.backends.files import FileBlobs
from twolane.backends.memory import MemoryBlobs
from twolane.contracts.blobs import Blobs
from twolane.values.errors import BlobMismatch, BlobMissing, BlobTooLarge

STORES: dict[str, Callable[[Path, FakeClock], Blobs]] = {
    "files": lambda folder, clock: FileBlobs(folder, clock=clock),
    "memory": lambda folder, clock: MemoryBlobs(clock),
}
DATA = b"carrier,flight\nAA,1\n" * 1000


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(params=["s3", *sorted(STORES)])
def blobs(request: pytest.FixtureRequest, tmp_path: Path, clock: FakeClock) -> Blobs:
    if request.param == "s3":
        return bucket(request.getfixturevalue("aws"))
    return STORES[request.param](tmp_path, clock)


def test_what_is_stored_comes_back_seekable(blobs: Blobs) -> None:
    ref = blobs.put(io.BytesIO(DATA), name="flights.csv")

    assert (ref.size_bytes, ref.sha256) == (len(DATA), hashlib.sha256(DATA).hexdigest())
    assert ref.name == "flights.csv"
    with blobs.open(ref) as reader:
        assert reader.read(7) == DATA[:7]
        reader.seek(15)
        assert reader.read() == DATA[15:]


def test_a_source_is_read_from_where_it_stands(blobs: Blobs) -> None:
    source = io.BytesIO(DATA)
    source.seek(15)

    with blobs.open(blobs.put(source)) as reader:
        assert reader.read() == DATA[15:]


def test_an_empty_blob_is_a_blob(blobs: Blobs) -> None:
    with blobs.open(blobs.put(io.BytesIO(b""))) as reader:
        assert reader.read() == b""


def test_the_limit_is_kept_to_the_byte_and_leaves_nothing_behind(blobs: Blobs) -> None:
    assert blobs.put(io.BytesIO(DATA), limit_bytes=len(DATA)).size_bytes == len(DATA)

    with pytest.raises(BlobTooLarge, match=str(len(DATA) - 1)):
        blobs.put(io.BytesIO(DATA), limit_bytes=len(DATA) - 1)

    assert len(list(blobs.stored())) == 1


def test_equal_bytes_are_two_blobs(blobs: Blobs) -> None:
    """Each is deleted with the message that names it."""
    first, second = blobs.put(io.BytesIO(DATA)), blobs.put(io.BytesIO(DATA))

    blobs.delete(first.key)

    with blobs.open(second) as reader:
        assert reader.read() == DATA


def test_a_deleted_blob_is_missing_and_deleting_it_again_is_harmless(blobs: Blobs) -> None:
    ref = blobs.put(io.BytesIO(DATA))
    blobs.delete(ref.key)
    blobs.delete(ref.key)

    with pytest.raises(BlobMissing):
        blobs.open(ref)
    assert list(blobs.stored()) == []


@pytest.mark.parametrize("key", ["", "nothing", "../../etc/passwd", "/etc/passwd", "a\x00b", "."])
def test_a_key_that_is_none_of_ours_is_missing(blobs: Blobs, key: str) -> None:
    ref = replace(blobs.put(io.BytesIO(DATA)), key=key)

    with pytest.raises(BlobMissing):
        blobs.open(ref)
    blobs.delete(key)
    assert len(list(blobs.stored())) == 1


def test_other_bytes_than_the_message_says_are_an_error(blobs: Blobs) -> None:
    ref = blobs.put(io.BytesIO(DATA))

    for wrong in (replace(ref, size_bytes=ref.size_bytes + 1), replace(ref, sha256="0" * 64)):
        with pytest.raises(BlobMismatch):
            blobs.open(wrong)


def test_each_blob_is_listed_with_its_time(blobs: Blobs, clock: FakeClock) -> None:
    first = blobs.put(io.BytesIO(DATA))
    clock.advance(60)
    second = blobs.put(io.BytesIO(DATA))

    stored = dict(blobs.stored())

    assert set(stored) == {first.key, second.key}
    assert stored[second.key] >= stored[first.key]
