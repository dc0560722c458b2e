"""The one table: how it is made, and an item as DynamoDB has it."""

from __future__ import annotations

from typing import Any

from twolane.backends.aws import Service
from twolane.contracts.state import Item

INDEX = "shelves"
"""The one index: items by shelf and place. What stands on no shelf is not in it, and costs it nothing."""
TTL = "ttl"
"""The attribute by which DynamoDB forgets."""

TABLE: dict[str, Any] = {
    "BillingMode": "PAY_PER_REQUEST",
    "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
    "AttributeDefinitions": [
        {"AttributeName": "pk", "AttributeType": "S"},
        {"AttributeName": "shelf", "AttributeType": "S"},
        {"AttributeName": "place", "AttributeType": "N"},
    ],
    "GlobalSecondaryIndexes": [
        {
            "IndexName": INDEX,
            "KeySchema": [
                {"AttributeName": "shelf", "KeyType": "HASH"},
                {"AttributeName": "place", "KeyType": "RANGE"},
            ],
            "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["head"]},
        }
    ],
}
"""What `create_table` asks for, and what a template must say."""


def create_table(service: Service, table: str) -> None:
    """Make the table, with its index and its time to live; for tests, and for people without a template.

    Raises:
        AwsError: it cannot be made.
    """
    service.call("create_table", f"making table {table}", TableName=table, **TABLE)
    service.client.get_waiter("table_exists").wait(TableName=table, WaiterConfig={"Delay": 1})
    service.call(
        "update_time_to_live",
        f"setting the time to live of table {table}",
        TableName=table,
        TimeToLiveSpecification={"Enabled": True, "AttributeName": TTL},
    )


def attributes(item: Item) -> dict[str, dict[str, str]]:
    """An item as DynamoDB has it; without what is not set."""
    has = {"pk": {"S": item.key}, "ver": {"N": str(item.version)}, "doc": {"S": item.text}}
    if item.shelf is not None:
        has |= {"shelf": {"S": item.shelf}, "place": {"N": repr(item.place)}, "head": {"S": item.head}}
    if item.expires_at is not None:
        has[TTL] = {"N": str(int(item.expires_at))}
    return has


def item_of(has: dict[str, dict[str, str]]) -> Item:
    """The other way."""
    return Item(
        key=has["pk"]["S"],
        version=int(has["ver"]["N"]),
        text=has["doc"]["S"],
        shelf=has["shelf"]["S"] if "shelf" in has else None,
        place=float(has["place"]["N"]) if "place" in has else 0.0,
        head=has["head"]["S"] if "head" in has else "",
        expires_at=float(has[TTL]["N"]) if TTL in has else None,
    )
