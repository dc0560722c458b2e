"""The envelope: what was encoded comes back, and whatever lies in a queue is read or refused, never worse."""

from __future__ import annotations

import json
from contextlib import suppress
from importlib.resources import files
from typing import Any
from uuid import UUID

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twolane.values.blob import BlobRef
from twolane.values.errors import EnvelopeError, EnvelopeUnreadable
from twolane.values.message import Continuation, Message, MessagePolicy, decode, encode, skim, to_json

SCHEMA = jsonschema.Draft202012Validator(
    json.loads(files("twolane.values").joinpath("envelope-v1.schema.json").read_text("ascii"))
)

characters = st.characters()  # lone surrogates too: Python makes them from broken file names
texts = st.text(characters, max_size=20)
names = st.text(characters, min_size=1, max_size=20)
numbers = st.floats(allow_nan=False, allow_infinity=False)
json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | numbers | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=20,
)
arguments = st.dictionaries(texts, json_values, max_size=5)


def made(**fields: Any) -> Message:
    """A message of these fields alone: the others stay what they are, where for a class they would be drawn."""
    return Message(**fields)


messages = st.builds(
    made,
    id=names,
    task=names,
    queue=names,
    args=arguments,
    sent_at=numbers,
    policy=st.builds(MessagePolicy, st.integers(1, 10**9), numbers, numbers),
    expires_at=st.none() | numbers,
    trace=st.dictionaries(texts, texts, max_size=3),
    parent=st.none() | names,
    continuation=st.none() | st.builds(Continuation, st.integers(1, 1000), json_values, numbers),
    extra=st.dictionaries(st.text(min_size=1).map(lambda name: f"x-{name}"), json_values, max_size=3),
)
blobs = st.builds(BlobRef, texts, st.integers(0, 2**60), texts, texts)


@given(messages)
def test_a_message_comes_back(message: Message) -> None:
    assert decode(encode(message)) == message


@given(messages, blobs)
def test_a_message_with_its_arguments_in_a_blob_comes_back(message: Message, blob: BlobRef) -> None:
    kept_outside = message._replace(args=None, args_blob=blob)

    assert decode(encode(kept_outside)) == kept_outside


@given(messages, st.uuids())
def test_what_is_written_satisfies_the_published_schema(message: Message, message_id: UUID) -> None:
    SCHEMA.validate(json.loads(encode(message._replace(id=str(message_id)))))


@given(messages)
def test_an_envelope_is_one_line_of_printable_ascii(message: Message) -> None:
    body = encode(message)

    assert body.isascii()
    assert body.isprintable()


@given(messages)
def test_what_is_skimmed_is_what_is_decoded(message: Message) -> None:
    _compare(encode(message))


flat_arguments = st.dictionaries(
    texts, st.none() | st.booleans() | st.integers() | numbers | texts, max_size=5
)
usual_messages = st.builds(
    made,
    id=st.uuids().map(str),
    task=names,
    queue=names,
    args=flat_arguments,
    sent_at=st.floats(0, 1e12),
    policy=st.builds(MessagePolicy, st.integers(1, 10**9), numbers, numbers),
)


@given(usual_messages)
def test_the_usual_envelope_is_skimmed(message: Message) -> None:
    body = encode(message)
    written = to_json(message.args)
    usual = len(written) <= 4000 and "{" not in written[1:] and "}" not in written[:-1]
    if "{" not in message.task + message.queue and "}" not in message.task + message.queue and usual:
        assert skim(body) == (message, written)
    _compare(body)


@given(usual_messages, st.data())
def test_what_is_skimmed_of_a_spoiled_envelope_is_what_is_decoded(
    message: Message, data: st.DataObject
) -> None:
    body = encode(message)
    at = data.draw(st.integers(0, len(body)))
    until = data.draw(st.integers(at, min(at + 3, len(body))))
    between = data.draw(st.text('{}[]",:0123456789.eE+-_\\ \nabnulltrefs', max_size=3))

    _compare(body[:at] + between + body[until:])


def _compare(body: str) -> None:
    """What is skimmed is what is decoded, and the arguments are there as they are written."""
    if (skimmed := skim(body)) is not None:
        message, written = skimmed
        assert message == decode(body)
        assert json.loads(written) == message.args


def _read(body: str) -> None:
    with suppress(EnvelopeError):
        decode(body)


@given(st.text())
def test_any_text_is_read_or_refused(body: str) -> None:
    _read(body)


@given(json_values)
def test_any_json_is_read_or_refused(value: Any) -> None:
    _read(json.dumps(value))


@given(messages, st.data())
def test_an_envelope_with_any_field_spoiled_is_read_or_refused(message: Message, data: st.DataObject) -> None:
    envelope = json.loads(encode(message))
    name = data.draw(st.sampled_from(sorted(envelope)))
    spoiled = data.draw(json_values | st.sampled_from([float("nan"), float("inf"), 10**400, {}, [], ""]))
    if data.draw(st.booleans()) and isinstance(envelope[name], dict) and envelope[name]:
        envelope[name][data.draw(st.sampled_from(sorted(envelope[name])))] = spoiled
    else:
        envelope[name] = spoiled

    _read(json.dumps(envelope))


@given(messages, st.integers(0, 500))
def test_a_cut_envelope_is_refused(message: Message, length: int) -> None:
    body = encode(message)

    with pytest.raises(EnvelopeUnreadable):
        decode(body[: min(length, len(body) - 1)])
