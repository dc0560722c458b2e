"""What only S3 can show: parts, a limit that is met in the middle, addresses. The laws are in tests/contract."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.aws.faults import fail
from tests.aws.places import bucket, session
from tests.aws.proxy import proxy
from tests.aws.servers import Server
from twolane.backends.s3 import Bucket, S3Blobs, read_bucket
from twolane.backends.s3.blobs import PART_BYTES, TAG
from twolane.contracts.blobs import PARTS
from twolane.values.errors import BlobError, BlobMissing, BlobTooLarge, SettingsError

LARGE = os.urandom(2 * PART_BYTES + 17)


@pytest.fixture
def blobs(aws: Server) -> S3Blobs:
    return bucket(aws)


def test_a_large_one_goes_up_in_parts_and_comes_back(blobs: S3Blobs) -> None:
    ref = blobs.put(io.BytesIO(LARGE))

    assert ref.size_bytes == len(LARGE)
    with blobs.open(ref) as reader:
        assert reader.read() == LARGE


def test_a_limit_met_in_the_middle_of_the_parts_leaves_no_object(blobs: S3Blobs) -> None:
    with pytest.raises(BlobTooLarge):
        blobs.put(io.BytesIO(LARGE), limit_bytes=len(LARGE) - 1)

    assert list(blobs.stored()) == []


def test_a_source_that_fails_in_the_middle_leaves_no_object(blobs: S3Blobs) -> None:
    class Failing(io.BytesIO):
        def read(self, most: int | None = -1, /) -> bytes:
            if self.tell() > PART_BYTES:
                raise ConnectionResetError("the client went away")
            return super().read(most)

    with pytest.raises(BlobError, match="the client went away"):
        blobs.put(Failing(LARGE))

    assert list(blobs.stored()) == []


def test_two_prefixes_of_a_bucket_do_not_see_each_other(blobs: S3Blobs, aws: Server) -> None:
    other = S3Blobs(Bucket(blobs.bucket.name, "others"), session=blobs._session, endpoint_url=aws.url)
    ref = blobs.put(io.BytesIO(b"mine"))

    assert list(other.stored()) == []
    with pytest.raises(BlobMissing):
        other.open(ref)


def test_a_bucket_that_is_missing_is_told(aws: Server, blobs: S3Blobs) -> None:
    gone = S3Blobs(Bucket("no-such-bucket"), session=blobs._session, endpoint_url=aws.url)

    with pytest.raises(BlobError, match=r"stored in s3://no-such-bucket"):
        gone.put(io.BytesIO(b"x"))


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("s3://uploads", Bucket("uploads")),
        ("s3://uploads/", Bucket("uploads")),
        ("s3://my.bucket-1/a/b/", Bucket("my.bucket-1", "a/b")),
    ],
)
def test_an_address_is_a_bucket_and_a_prefix(text: str, place: Bucket) -> None:
    assert read_bucket(text) == place


@pytest.mark.parametrize("text", ["s3://", "s3:bucket", "s3://Bad_Bucket", "file:///x", "s3://ab?x=1"])
def test_an_address_that_is_none_is_refused_with_the_form(text: str) -> None:
    with pytest.raises(SettingsError, match="TWOLANE_BLOBS takes s3://BUCKET"):
        read_bucket(text)


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("my-uploads", "https://my-uploads.s3.eu-central-1.amazonaws.com/"),
        ("my.uploads", "https://s3.eu-central-1.amazonaws.com/my.uploads"),
    ],
)
def test_a_form_of_aws_goes_to_the_region_of_the_bucket(
    monkeypatch: pytest.MonkeyPatch, name: str, url: str
) -> None:
    for variable in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.delenv(variable, raising=False)
    blobs = S3Blobs(Bucket(name, "imports"), session=session("test", "eu-central-1"))

    form = blobs.form(blobs.new_key(), content_type="text/csv", limit_bytes=1, sha256="", expires_s=60)

    assert form is not None
    assert form[0] == url


# Blobs that expire


def test_the_rule_of_the_docs_is_one_that_s3_takes_and_goes_by_the_tag_we_set(blobs: S3Blobs) -> None:
    page = (Path(__file__).parents[3] / "docs" / "aws.md").read_text()
    [text] = [each.partition("```")[0] for each in page.split("```json\n") if '"Rules"' in each]
    rules = json.loads(text)["Rules"]
    client = blobs._service.client
    client.put_bucket_lifecycle_configuration(
        Bucket=blobs.bucket.name, LifecycleConfiguration={"Rules": rules}
    )

    [done, unfinished] = client.get_bucket_lifecycle_configuration(Bucket=blobs.bucket.name)["Rules"]
    assert (done["Status"], done["Expiration"]) == ("Enabled", {"Days": 7})
    assert done["Filter"]["And"]["Tags"] == [{"Key": TAG[0], "Value": TAG[1]}]
    assert "Expiration" not in unfinished
    assert unfinished["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 1}


def test_a_part_is_what_begins_with_its_digit(blobs: S3Blobs) -> None:
    keys = {blobs.put(io.BytesIO(b"x")).key for _ in range(12)}
    by_part = {part: {key for key, _ in blobs.stored_in(part)} for part in range(PARTS)}

    assert set().union(*by_part.values()) == keys
    assert all(key[0] == f"{part:x}" for part, found in by_part.items() for key in found)
    assert {key for key, _ in blobs.stored()} == keys


def test_more_blobs_than_a_page_are_listed(blobs: S3Blobs, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = {blobs.put(io.BytesIO(b"x")).key for _ in range(5)}
    call = blobs._service.call

    def in_small_pages(operation: str, what: str, **arguments: Any) -> Any:
        return call(operation, what, MaxKeys=2, **arguments)

    monkeypatch.setattr(blobs._service, "call", in_small_pages)
    assert {key for key, _ in blobs.stored()} == keys


def test_a_place_belongs_to_who_comes_first(blobs: S3Blobs) -> None:
    assert [blobs.claim("one"), blobs.claim("two"), blobs.claim("one")] == ["one"] * 3


@pytest.mark.parametrize("size", [1, PART_BYTES + 1], ids=["small", "in parts"])
def test_a_bucket_that_is_not_there_or_may_not_be_written_to_says_what_to_do(aws: Server, size: int) -> None:
    with proxy(aws) as between:
        through = bucket(between.server)
        gone = S3Blobs(Bucket("not-there-at-all"), session=through._session, endpoint_url=aws.url)
        with pytest.raises(
            BlobError, match="stored in s3://not-there-at-all: there is no such bucket: check"
        ):
            gone.put(io.BytesIO(b"x" * size))
        for operation in ("PUT object", "POST object"):
            between.faults[operation] = fail(403, "AccessDenied")
        with pytest.raises(BlobError, match="allow it in its policy"):
            through.put(io.BytesIO(b"x" * size))


def test_a_bucket_that_may_not_be_tagged_says_so(aws: Server) -> None:
    with proxy(aws) as between:
        through = bucket(between.server)
        key = through.put(io.BytesIO(b"x")).key
        between.faults["PUT object"] = fail(403, "AccessDenied")
        with pytest.raises(BlobError, match="allow it in its policy"):
            through.release(key, afresh=False)
