"""Uploads past the endpoint: the same two endpoints on files and on S3, with a client that only knows HTTP."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from tests.aws.servers import Server
from twolane import Blob, Lanes, Tasks, Ticket
from twolane.engine.upload_forms import UPLOADING_S
from twolane.values.errors import SettingsError, UploadRefused
from twolane.values.upload_form import Promise, UploadForm, sealed, unsealed
from twolane.wiring.secret import secret_of
from twolane.wiring.settings import read_settings

CONTENT = b"number,seats\nLH400,120\n"
SECRET = b"0123456789abcdef0123456789abcdef"


def bucket(server: Server) -> Any:
    from tests.aws.places import bucket as made

    return made(server)


@dataclass
class Shop:
    """An app of two endpoints, and what its tasks have read."""

    client: TestClient
    tasks: Tasks

    def form(self, **asked: Any) -> dict[str, Any]:
        answer = self.client.post("/forms", params={"name": "a.csv", "customer_id": 7, **asked})
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def post(self, form: dict[str, Any], content: bytes = CONTENT) -> httpx.Response:
        files = {"file": ("a.csv", content, "text/csv")}
        if form["url"].startswith("http"):
            return httpx.post(form["url"], data=form["fields"], files=files)
        answer: Any = self.client.post(form["url"], data=form["fields"], files=files)
        return answer  # type: ignore[no-any-return]

    def confirm(self, token: str, customer_id: int = 7) -> Any:
        return self.client.post("/imports", params={"token": token, "customer_id": customer_id})


def make_app(**options: Any) -> tuple[FastAPI, Tasks]:
    tasks = Tasks(worker="off", **options)
    app = FastAPI()
    tasks.install(app)
    app.include_router(tasks.upload_router(), prefix="/uploads")

    @tasks.task(if_lost="alert", name="import")
    def import_flights(upload: Blob, customer_id: int) -> None:
        """Never run here."""

    @app.post("/forms")
    def begin(
        name: str, customer_id: int, lanes: Lanes, sha256: str | None = None, max_bytes: int | None = None
    ) -> UploadForm:
        return lanes.upload_form(
            name=name, content_type="text/csv", owner=str(customer_id), sha256=sha256, max_bytes=max_bytes
        )

    @app.post("/imports", status_code=202)
    def create_import(token: str, customer_id: int, lanes: Lanes) -> Ticket:
        upload = lanes.uploaded(token, owner=str(customer_id))
        return lanes.add_task(import_flights, upload, customer_id)

    return app, tasks


@pytest.fixture(params=["files", pytest.param("s3", marks=pytest.mark.aws)])
def shop(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    """The same app over a folder, and over a bucket."""
    if request.param == "s3":
        server: Server = request.getfixturevalue("aws")
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("TWOLANE_BLOBS", str(bucket(server).bucket))
        monkeypatch.setenv("TWOLANE_SECRET", SECRET.decode())
    app, tasks = make_app(queue=f"sqlite:///{tmp_path}/queue.db")
    with TestClient(app) as client:
        yield Shop(client, tasks)


def stored(shop: Shop, ticket: dict[str, Any]) -> Blob:
    """The blob that the message of a ticket names."""
    from twolane.values.message import decode

    body = shop.tasks.runtime.stores.records.body(ticket["id"])
    assert body is not None
    task = shop.tasks.registry.get("import")
    assert task is not None
    message: Any = decode(body)
    return Blob(_ref_of(message.args["upload"]), shop.tasks.runtime.stores.blobs.open)


def _ref_of(value: Any) -> Any:
    from twolane.values.blob import BlobRef

    return BlobRef.from_json(value)


def test_a_file_goes_past_the_app_and_is_confirmed(shop: Shop) -> None:
    form = shop.form()
    assert shop.post(form).status_code == 204
    answer = shop.confirm(form["token"])

    assert answer.status_code == 202
    blob = stored(shop, answer.json())
    assert (blob.name, blob.size_bytes) == ("a.csv", len(CONTENT))
    assert blob.sha256 == hashlib.sha256(CONTENT).hexdigest()
    with blob.open() as reader:
        assert reader.read() == CONTENT


def test_what_was_not_uploaded_is_a_conflict_and_starts_nothing(shop: Shop) -> None:
    form = shop.form()

    answer = shop.confirm(form["token"])

    assert answer.status_code == 409
    assert "upload the file first" in answer.json()["detail"]
    shop.post(form)
    assert shop.confirm(form["token"]).status_code == 202
    assert shop.tasks.runtime.stores.records.stats().accepted == 1


def test_a_second_confirmation_is_the_same_blob(shop: Shop) -> None:
    form = shop.form()
    shop.post(form)
    first, second = (stored(shop, shop.confirm(form["token"]).json()) for _ in range(2))

    assert first.ref == second.ref


def test_a_larger_file_than_the_form_allows_is_refused_where_it_goes(shop: Shop) -> None:
    form = shop.form(max_bytes=10)
    assert form["max_bytes"] == 10
    assert shop.post(form, b"x" * 11).status_code in (400, 413)  # S3 says 400
    assert shop.confirm(form["token"]).status_code == 409


def test_another_file_than_the_checksum_promised_is_refused(shop: Shop) -> None:
    form = shop.form(sha256=hashlib.sha256(CONTENT).hexdigest())
    shop.post(form, b"other")  # AWS refuses this one already, MiniStack does not look
    assert shop.confirm(form["token"]).status_code == 409
    shop.post(form)
    assert shop.confirm(form["token"]).status_code == 202


def test_a_token_is_for_its_owner_and_cannot_be_changed(shop: Shop) -> None:
    form = shop.form()
    shop.post(form)
    text, _, seal = form["token"].partition(".")
    for token in (f"{text}.{'A' * len(seal)}", f"{text}A.{seal}", text, "", "é.é", "a.b.c"):
        answer = shop.confirm(token)
        assert (answer.status_code, "no token of an upload" in answer.text) == (403, True)
    assert shop.confirm(form["token"], customer_id=8).status_code == 403
    assert shop.confirm(form["token"]).status_code == 202


def test_what_cannot_be_asked_for_is_refused(shop: Shop) -> None:
    from twolane.values.errors import UsageError

    with pytest.raises(UsageError, match="max_bytes is between 1 and"):
        shop.client.post("/forms", params={"name": "a", "customer_id": 1, "max_bytes": 10**12})
    with pytest.raises(UsageError, match="64 hexadecimal digits"):
        shop.client.post("/forms", params={"name": "a", "customer_id": 1, "sha256": "abc"})


def test_a_token_ends(shop: Shop) -> None:
    promise = Promise("k", "n", "text/csv", 1, "", "7", until=100.0)
    token = sealed(promise, SECRET)
    assert unsealed(token, SECRET, owner="7", now=99.9) == promise
    with pytest.raises(UploadRefused, match="too late"):
        unsealed(token, SECRET, owner="7", now=100.0)
    with pytest.raises(UploadRefused):
        unsealed(token, b"another", owner="7", now=1.0)
    form = shop.form()
    forms = shop.tasks.runtime.upload_forms
    assert forms.promised(form["token"]).until > UPLOADING_S


@pytest.mark.aws
def test_s3_takes_the_file_of_the_form_and_no_other(aws: Server) -> None:
    blobs = bucket(aws)
    key = blobs.new_key()
    made = blobs.form(key, content_type="text/csv", limit_bytes=100, sha256="", expires_s=60)
    assert made is not None
    url, fields = made
    files = {"file": ("a", b"x", "text/csv")}
    for name, value in (
        ("key", f"uploads/{blobs.new_key()}"),
        ("Content-Type", "text/html"),
    ):
        assert httpx.post(url, data={**fields, name: value}, files=files).status_code in (400, 403)
    assert httpx.post(url, data=fields, files=files).status_code == 204
    assert [found for found, _ in blobs.stored()] == [key]
    assert fields["x-amz-signature"] == signature_of(fields)  # which MiniStack does not look at


def signature_of(fields: dict[str, str]) -> str:
    """AWS's Signature Version 4 of a form's policy, for the secret key of the tests."""
    _, day, region, service, end = fields["x-amz-credential"].split("/")
    key = b"AWS4test"
    for part in (day, region, service, end):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.digest(key, fields["policy"].encode(), "sha256").hex()


@pytest.mark.aws
def test_a_checksum_that_s3_tells_is_believed_and_nothing_is_read(
    aws: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    blobs = bucket(aws)
    key = blobs.new_key()
    digest = hashlib.sha256(CONTENT)
    call = blobs._service.call

    def tell(operation: str, what: str, **arguments: Any) -> Any:
        answer = call(operation, what, **arguments)
        if operation == "head_object":
            assert arguments["ChecksumMode"] == "ENABLED"
            answer["ChecksumSHA256"] = base64.b64encode(digest.digest()).decode()
        return answer

    blobs._service.client.put_object(Bucket=blobs.bucket.name, Key=f"uploads/{key}", Body=CONTENT)
    monkeypatch.setattr(blobs._service, "call", tell)
    monkeypatch.setattr(blobs, "_read_digest", None)
    assert blobs.confirm(key, name="n", limit_bytes=100, sha256="").sha256 == digest.hexdigest()
    with pytest.raises(UploadRefused, match="another file"):
        blobs.confirm(key, name="n", limit_bytes=100, sha256="0" * 64)


def test_an_app_without_the_route_says_how_to_add_it(tmp_path: Path) -> None:
    from twolane.values.errors import UsageError

    tasks, app = Tasks(queue=f"sqlite:///{tmp_path}/queue.db", worker="off"), FastAPI()
    tasks.install(app)

    @app.post("/forms")
    def begin(lanes: Lanes) -> UploadForm:
        return lanes.upload_form()

    with TestClient(app) as client, pytest.raises(UsageError, match=r"tasks.upload_router\(\)"):
        client.post("/forms")


def test_the_apps_own_route_takes_one_file_of_one_form(tmp_path: Path) -> None:
    app, _ = make_app(queue=f"sqlite:///{tmp_path}/queue.db")
    with TestClient(app) as client:
        form = client.post("/forms", params={"name": "a", "customer_id": 1, "max_bytes": 10}).json()
        assert client.post("/uploads/no-token", files={"file": b"x"}).status_code == 403
        assert client.post(form["url"], data={"other": "x"}).status_code == 400
        assert client.post(form["url"], content=b"plain").status_code == 400
        assert client.post(form["url"], files={"file": b"x" * 200_000}).status_code == 413
        assert client.post(form["url"], files={"file": b"x" * 10}).status_code == 204


def test_a_secret_is_set_beside_s3_and_kept_in_a_file_else(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="at least 32 characters"):
        read_settings(queue="sqlite:////x.db", environment={"TWOLANE_SECRET": "short"})
    on_s3 = {"TWOLANE_QUEUE": "sqs://q", "TWOLANE_BLOBS": "s3://bbb/p", "TWOLANE_STATE": "dynamodb://ttt"}
    with pytest.raises(SettingsError, match="set TWOLANE_SECRET, the same for all"):
        secret_of(read_settings(environment=on_s3))
    said = read_settings(environment={**on_s3, "TWOLANE_SECRET": SECRET.decode()})
    assert secret_of(said) == SECRET
    assert SECRET.decode() not in repr(said)

    here = read_settings(queue=f"sqlite:///{tmp_path}/queue.db", environment={})
    made = secret_of(here)
    assert (len(made), secret_of(here)) == (64, made)
    assert isinstance(here.blobs, Path)
    [file] = here.blobs.iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
