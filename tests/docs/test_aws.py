"""What docs/aws.md has people make on AWS is what twolane needs there: queues, table, rules of the bucket, permissions."""

from __future__ import annotations

import json
import re
import shlex
from typing import Any

import pytest

from tests.aws.places import bucket, service
from tests.aws.servers import Server
from tests.docs.pages import ROOT, fences
from twolane.backends.dynamodb.table import INDEX, TABLE, TTL
from twolane.backends.sqs import Address
from twolane.backends.sqs.kinds import kinds

PAGE = ROOT / "docs" / "aws.md"
BACKENDS = ROOT / "src" / "twolane" / "backends"

ALLOWED_BY = {
    "send_message_batch": {"sqs:SendMessage"},
    "get_queue_url": {"sqs:GetQueueUrl"},
    "get_queue_attributes": {"sqs:GetQueueAttributes"},
    "receive_message": {"sqs:ReceiveMessage"},
    "delete_message_batch": {"sqs:DeleteMessage"},
    "change_message_visibility_batch": {"sqs:ChangeMessageVisibility"},
    "batch_execute_statement": {"dynamodb:PartiQLInsert", "dynamodb:PartiQLUpdate", "dynamodb:PartiQLDelete"},
    "execute_transaction": {"dynamodb:PartiQLInsert", "dynamodb:PartiQLUpdate", "dynamodb:PartiQLDelete"},
    "batch_get_item": {"dynamodb:BatchGetItem"},
    "update_item": {"dynamodb:UpdateItem"},
    "query": {"dynamodb:Query"},
    "scan": {"dynamodb:Scan"},
    "generate_presigned_post": {"s3:PutObject"},
    "head_object": {"s3:GetObject", "s3:ListBucket"},
    "list_objects_v2": {"s3:ListBucket"},
    "copy_object": {"s3:GetObject", "s3:PutObject", "s3:PutObjectTagging"},
    "put_object_tagging": {"s3:PutObjectTagging"},
    "obstore.put": {"s3:PutObject", "s3:AbortMultipartUpload"},
    "obstore.get": {"s3:GetObject", "s3:ListBucket"},
    "obstore.delete": {"s3:DeleteObject"},
}
"""What AWS wants allowed for each call; without s3:ListBucket a missing object is a 403."""
OWN = "eu-central-1:123456789012:imports"
BY_PEOPLE = {"create_table", "update_time_to_live"}
_CALL = re.compile(r'(?:_?call(?:_plainly)?|_pages|_seen)\(\s*"(\w+)"|\b(obstore\.\w+)\(')


@pytest.fixture(scope="module")
def commands() -> dict[str, list[str]]:
    """The words of each command for the AWS command line, by service, operation and what it is about."""
    found: dict[str, list[str]] = {}
    for fence in fences(PAGE, "console"):
        for each in fence.code.split("$ ")[1:]:
            words = shlex.split(each)
            if words[0] == "aws":
                found[" ".join(words[2:4] if words[2] != "create-queue" else words[2:5:2])] = words
    return found


def option(words: list[str], name: str) -> str:
    return words[words.index(name) + 1]


def test_the_queues_are_what_a_worker_takes_for_good(aws: Server, commands: dict[str, list[str]]) -> None:
    sqs = service("sqs", aws)
    made = [commands["create-queue imports-dead"], commands["create-queue imports"]]
    for words in made:
        text = option(words, "--attributes").replace(OWN, "us-east-1:000000000000:docs-imports")
        attributes = (
            json.loads(text) if text.startswith("{") else dict(each.split("=") for each in text.split(","))
        )
        assert attributes["MessageRetentionPeriod"] == str(14 * 86_400)
        sqs.client.create_queue(QueueName=f"docs-{words[4]}", Attributes=attributes)

    address = Address("docs-imports", dead="docs-imports-dead")
    [said] = kinds(address, ["default"], sqs).values()

    assert "moved there by SQS after 50 receives" in said
    assert "TOO FEW" not in said


def test_the_table_is_the_one_that_the_rows_need(commands: dict[str, list[str]]) -> None:
    create = commands["create-table --table-name"]
    said = " ".join(create)

    assert option(create, "--billing-mode") == TABLE["BillingMode"]
    types = re.findall(r"AttributeName=(\w+),AttributeType=(\w)", said)
    assert types == [tuple(each.values()) for each in TABLE["AttributeDefinitions"]]
    keys = re.findall(r"AttributeName=(\w+),KeyType=(\w+)|AttributeName=(\w+),\s*KeyType=(\w+)", said)
    [index] = TABLE["GlobalSecondaryIndexes"]
    assert [each[:2] for each in keys] == [
        tuple(each.values()) for each in [*TABLE["KeySchema"], *index["KeySchema"]]
    ]
    assert f"IndexName={INDEX}" in said
    projection = index["Projection"]
    assert f"ProjectionType={projection['ProjectionType']}" in said
    assert f"NonKeyAttributes=[{','.join(projection['NonKeyAttributes'])}]" in said
    ttl = option(commands["update-time-to-live --table-name"], "--time-to-live-specification")
    assert ttl == f"Enabled=true,AttributeName={TTL}"


def test_the_rule_for_browsers_lets_a_page_post(aws: Server, commands: dict[str, list[str]]) -> None:
    blobs = bucket(aws)
    rules = json.loads(option(commands["put-bucket-cors --bucket"], "--cors-configuration"))

    blobs._service.client.put_bucket_cors(Bucket=blobs.bucket.name, CORSConfiguration=rules)

    [rule] = blobs._service.client.get_bucket_cors(Bucket=blobs.bucket.name)["CORSRules"]
    assert rule["AllowedMethods"] == ["POST"]


def test_whatever_is_called_is_allowed_and_nothing_else() -> None:
    called = {
        name or verb for file in BACKENDS.rglob("*.py") for name, verb in _CALL.findall(file.read_text())
    } - BY_PEOPLE
    assert called == set(ALLOWED_BY), "what is new needs a permission, and the page a word about it"

    rows: list[Any] = re.findall(r"^\| .*$", PAGE.read_text(), re.MULTILINE)
    allowed = set(re.findall(r"`((?:sqs|dynamodb|s3):[A-Z]\w+)`", "\n".join(rows)))

    assert allowed == set[str]().union(*ALLOWED_BY.values())
