"""The wire format: what any released version wrote is read for ever (DESIGN.md section 6).

`golden/v1/` is never edited. A new kind of message gets a new file.
"""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from twolane.values.blob import BlobRef
from twolane.values.errors import EnvelopeTooNew, EnvelopeUnreadable
from twolane.values.message import Continuation, Message, MessagePolicy, decode, encode

GOLDEN = Path(__file__).parent / "golden" / "v1"
SCHEMA = json.loads(files("twolane.values").joinpath("envelope-v1.schema.json").read_text("ascii"))

ID = "019aac3b-9c00-7d4e-8a51-3f2b6c7d8e9f"
PARENT = "019aac3b-9000-7aaa-8bbb-0123456789ab"
DEFAULTS = MessagePolicy(max_attempts=5, timeout_s=300.0, patience_s=3600.0)
SHA256 = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"

MESSAGES = {
    "minimal": Message(ID, "app.main:import_flights", "default", {}, 1763830800.0, DEFAULTS),
    "arguments": Message(
        ID,
        "app.main:import_flights",
        "imports",
        {
            "upload": {"key": "ab/ab12.blob", "size_bytes": 5, "sha256": SHA256, "name": "fl\u00fcge.csv"},
            "customer_id": 18446744073709551616,
            "note": '\u822a\u73ed \U0001f6eb\n\t"quoted" \\ \x00',
            "nested": [None, True, -0.5, {"": [[]]}],
        },
        1763830800.123456,
        MessagePolicy(max_attempts=1, timeout_s=0.5, patience_s=0.0),
    ),
    "arguments_in_a_blob": Message(
        ID,
        "reset_mail",
        "default",
        None,
        1763830800.0,
        DEFAULTS,
        args_blob=BlobRef("ab/ab12.blob", 2097152, SHA256),
    ),
    "everything": Message(
        ID,
        "app.main:import_flights",
        "imports",
        {"rows": 3},
        1763830800.5,
        DEFAULTS,
        expires_at=1763834400.5,
        trace={"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
        parent=PARENT,
        continuation=Continuation(2, {"offset_bytes": 4096, "line": 70}, 1763917200.0),
    ),
    "unknown_fields": Message(
        ID,
        "app.main:import_flights",
        "default",
        {},
        1763830800.0,
        DEFAULTS,
        extra={"priority": 7, "labels": {"tenant": "acme"}, "later": None},
    ),
}


def golden(name: str) -> str:
    return (GOLDEN / f"{name}.json").read_text("ascii")


def spoiled(**fields: Any) -> str:
    """The smallest envelope with other fields; None takes a field out."""
    envelope = {**json.loads(golden("minimal")), **fields}
    return json.dumps({name: value for name, value in envelope.items() if value is not None})


def test_each_golden_file_has_its_message() -> None:
    assert {path.stem for path in GOLDEN.iterdir()} == set(MESSAGES)


@pytest.mark.parametrize("name", MESSAGES)
def test_a_golden_envelope_is_read(name: str) -> None:
    assert decode(golden(name)) == MESSAGES[name]


@pytest.mark.parametrize("name", MESSAGES)
def test_a_golden_envelope_is_what_is_written(name: str) -> None:
    written = encode(MESSAGES[name])

    assert json.loads(written) == json.loads(golden(name))
    assert written.isascii()
    assert written.isprintable()


@pytest.mark.parametrize("name", MESSAGES)
def test_golden_and_written_envelopes_satisfy_the_published_schema(name: str) -> None:
    jsonschema.validate(json.loads(golden(name)), SCHEMA)
    jsonschema.validate(json.loads(encode(MESSAGES[name])), SCHEMA)


@pytest.mark.parametrize("sent_at", [float("nan"), float("inf")])
def test_a_time_that_is_none_is_not_written(sent_at: float) -> None:
    with pytest.raises(ValueError, match="sent_at"):
        encode(MESSAGES["minimal"]._replace(sent_at=sent_at))


def test_the_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_unknown_fields_survive_a_second_writing() -> None:
    again = decode(encode(decode(golden("unknown_fields"))))

    assert again.extra == {"priority": 7, "labels": {"tenant": "acme"}, "later": None}


def test_unknown_fields_inside_a_known_one_are_ignored() -> None:
    policy = {"max_attempts": 5, "timeout_s": 300.0, "patience_s": 3600.0, "grace_s": 1}

    assert decode(spoiled(policy=policy)).policy == DEFAULTS


def test_an_unknown_field_never_hides_a_known_one() -> None:
    forged = Message(ID, "t", "default", {}, 1.0, DEFAULTS, extra={"id": "another", "v": 9})

    assert decode(encode(forged)).id == ID


@pytest.mark.parametrize("version", [2, 3, 10**30])
def test_a_newer_version_says_so(version: int) -> None:
    with pytest.raises(EnvelopeTooNew, match=str(version)):
        decode(spoiled(v=version))


def test_a_newer_version_may_be_made_quite_differently() -> None:
    with pytest.raises(EnvelopeTooNew):
        decode('{"v": 2, "payload": "..."}')


@pytest.mark.parametrize(
    "body",
    [
        "",
        " ",
        "nonsense",
        "null",
        "1",
        '"text"',
        "[]",
        "{}",
        "{" * 3,
        "[" * 100_000,
        '{"a":' * 100_000,
        '{"v":1}',
        '{"v":1,"id":"x"',
        '{"v":' + "9" * 5000 + "}",
    ],
    ids=lambda body: body[:12],
)
def test_garbage_is_unreadable(body: str) -> None:
    with pytest.raises(EnvelopeUnreadable):
        decode(body)


@pytest.mark.parametrize(
    "fields",
    [
        {"v": None},
        {"v": 0},
        {"v": -1},
        {"v": True},
        {"v": "1"},
        {"v": 1.5},
        {"id": None},
        {"id": ""},
        {"id": 7},
        {"task": None},
        {"task": ""},
        {"task": ["a"]},
        {"queue": None},
        {"args": None},
        {"args": []},
        {"args": "{}"},
        {"args_blob": {"key": "k", "size_bytes": 1, "sha256": "s"}},
        {"args": None, "args_blob": {}},
        {"args": None, "args_blob": {"key": "k", "size_bytes": -1, "sha256": "s"}},
        {"args": None, "args_blob": {"key": "k", "size_bytes": True, "sha256": "s"}},
        {"args": None, "args_blob": {"key": 1, "size_bytes": 1, "sha256": "s"}},
        {"args": None, "args_blob": "k"},
        {"sent_at": None},
        {"sent_at": "yesterday"},
        {"sent_at": []},
        {"sent_at": 10**400},
        {"expires_at": "never"},
        {"policy": None},
        {"policy": {}},
        {"policy": []},
        {"policy": {"max_attempts": "many", "timeout_s": 1, "patience_s": 1}},
        {"trace": []},
        {"trace": "00-1-2-3"},
        {"parent": 7},
        {"parent": ""},
        {"continuation": []},
        {"continuation": {"number": 1}},
        {"continuation": {"number": "x", "cursor": 1, "deadline_at": 1}},
    ],
    ids=str,
)
def test_a_spoiled_field_makes_it_unreadable(fields: dict[str, Any]) -> None:
    with pytest.raises(EnvelopeUnreadable):
        decode(spoiled(**fields))
