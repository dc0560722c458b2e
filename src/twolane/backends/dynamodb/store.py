# ruff: noqa: D102 - the contract carries the docstrings
"""The state store on DynamoDB: batches of 25 conditional writes, transactions where two items belong together."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from twolane.backends.aws import AwsError, Service, code_of, explained, is_throttling
from twolane.backends.dynamodb.statements import statement
from twolane.backends.dynamodb.table import INDEX, TTL, item_of
from twolane.contracts.state import Change, Conflict, Item, Shelved

T = TypeVar("T")
Answer = Conflict | Exception | None

WRITES = 25
"""How many statements one BatchExecuteStatement takes (docs.aws.amazon.com/amazondynamodb, ServiceQuotas)."""
READS = 100
"""How many keys one BatchGetItem takes."""
ADDS = 150
"""How many counters one UpdateExpression adds to: it takes 4 KB and 300 operators."""
TRIES = 4
PAUSE_S = 0.05
_CHANGED = frozenset(
    ["ConditionalCheckFailed", "ConditionalCheckFailedException", "DuplicateItem", "DuplicateItemException"]
)
_PLACES: dict[tuple[str, ...], str] = {
    (): "shelf = :shelf",
    (":since",): "shelf = :shelf AND place >= :since",
    (":until",): "shelf = :shelf AND place <= :until",
    (":since", ":until"): "shelf = :shelf AND place BETWEEN :since AND :until",
}
"""Where on a shelf, by which ends are said."""


class DynamoState:
    """Items (contracts.state) in one DynamoDB table.

    Args:
        table: its name.
        service: the way to DynamoDB.
        sleep: waits between two tries of what was throttled, in seconds.
    """

    def __init__(
        self, table: str, service: Service | None = None, *, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self.table = table
        self._service = service or Service("dynamodb")
        self._sleep = sleep
        self._reading = f"reading table {table}"
        self._writing = f"writing table {table}"

    def read(self, keys: Sequence[str]) -> dict[str, Item]:
        return {key: item_of(has) for key, has in self._read_all(keys).items()}

    def _read_all(self, keys: Sequence[str]) -> dict[str, Any]:
        wanted = list(dict.fromkeys(keys))
        found: dict[str, Any] = {}
        for part in self._service.side_by_side(partial(self._read, some) for some in _parts(wanted, READS)):
            found |= part
        return found

    def write(self, groups: Sequence[Sequence[Change]]) -> list[Answer]:
        answers: list[Answer] = [None] * len(groups)
        single = [number for number, group in enumerate(groups) if len(group) == 1]
        several = [number for number, group in enumerate(groups) if len(group) > 1]

        def write_singles(numbers: Sequence[int]) -> None:
            told = self._write_each([groups[number][0] for number in numbers])
            for number, answer in zip(numbers, told, strict=True):
                answers[number] = answer

        def write_whole(number: int) -> None:
            answers[number] = self._write_whole(groups[number])

        self._service.side_by_side(
            [
                *(partial(write_singles, some) for some in _parts(single, WRITES)),
                *(partial(write_whole, number) for number in several),
            ]
        )
        return answers

    def shelf(
        self,
        name: str,
        *,
        since: float | None = None,
        until: float | None = None,
        newest_first: bool = False,
        limit: int | None = None,
    ) -> list[Shelved]:
        ends = {":since": since, ":until": until}
        values = {name: {"N": repr(end)} for name, end in ends.items() if end is not None}
        condition = _PLACES[tuple(values)]
        values[":shelf"] = {"S": name}
        pages = self._pages(
            "query",
            IndexName=INDEX,
            KeyConditionExpression=condition,
            ExpressionAttributeValues=values,
            ScanIndexForward=not newest_first,
            **({} if limit is None else {"Limit": limit}),
        )
        found: list[Shelved] = []
        for page in pages:
            found += [Shelved(has["pk"]["S"], float(has["place"]["N"]), has["head"]["S"]) for has in page]
            if limit is not None and len(found) >= limit:
                return found[:limit]
        return found

    def add(self, key: str, amounts: Mapping[str, int], *, expires_at: float | None = None) -> None:
        for names in _parts(list(amounts), ADDS):
            self._add(key, {name: amounts[name] for name in names}, expires_at)

    def _add(self, key: str, amounts: Mapping[str, int], expires_at: float | None) -> None:
        names = {f"#{number}": name for number, name in enumerate(amounts)}
        values = {f":{number}": {"N": str(amount)} for number, amount in enumerate(amounts.values())}
        terms = ", ".join(f"#{number} :{number}" for number in range(len(amounts)))
        ttl = ""
        if expires_at is not None:
            names["#ttl"], values[":ttl"], ttl = TTL, {"N": str(int(expires_at))}, " SET #ttl = :ttl"
        self._service.call(
            "update_item",
            self._writing,
            TableName=self.table,
            Key={"pk": {"S": key}},
            UpdateExpression=f"ADD {terms}{ttl}",
            ExpressionAttributeNames=names,
            ExpressionAttributeValues=values,
        )

    def counters(self, keys: Sequence[str]) -> dict[str, dict[str, int]]:
        found = self._read_all(keys)
        return {
            key: {name: int(value["N"]) for name, value in has.items() if "N" in value and name != TTL}
            for key, has in found.items()
        }

    def scan(self, prefix: str) -> list[Item]:
        pages = self._pages(
            "scan",
            FilterExpression="begins_with(pk, :prefix)",
            ExpressionAttributeValues={":prefix": {"S": prefix}},
        )
        return [item_of(has) for page in pages for has in page]

    def close(self) -> None:
        self._service.close()

    def _seen(self, operation: str, part: str, **arguments: Any) -> Any:
        """What a read has brought: its answer has this part, and one that has not was cut short."""
        answer = self._service.call(operation, self._reading, **arguments)
        if part not in answer:
            raise AwsError(f"{self._reading} failed: DynamoDB's answer was cut short", "NoAnswer", sent=True)
        return answer

    def _pages(self, operation: str, **arguments: Any) -> Any:
        while True:
            answer = self._seen(operation, "Items", TableName=self.table, **arguments)
            yield answer["Items"]
            if "LastEvaluatedKey" not in answer:
                return
            arguments["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    def _read(self, keys: Sequence[str]) -> dict[str, Any]:
        left: Any = {"Keys": [{"pk": {"S": key}} for key in keys], "ConsistentRead": True}
        found: dict[str, Any] = {}
        for tried in range(TRIES):
            answer = self._seen("batch_get_item", "Responses", RequestItems={self.table: left})
            found |= {has["pk"]["S"]: has for has in answer["Responses"].get(self.table, [])}
            left = answer.get("UnprocessedKeys", {}).get(self.table)
            if not left:
                return found
            self._sleep(PAUSE_S * 2**tried)
        raise AwsError(f"{self._reading} failed: it is throttled", "ThrottlingException", sent=False)

    def _write_each(self, changes: Sequence[Change]) -> list[Answer]:
        """Changes that have nothing to do with each other, in one call; what is throttled is tried again."""
        answers: list[Answer] = [None] * len(changes)
        left = list(range(len(changes)))
        for tried in range(TRIES):
            told = self._execute([changes[number] for number in left])
            for number, answer in zip(left, told, strict=True):
                answers[number] = answer
            left = [number for number in left if _may_be_tried_again(answers[number])]
            if not left:
                break
            self._sleep(PAUSE_S * 2**tried)
        return answers

    def _execute(self, changes: Sequence[Change]) -> list[Answer]:
        try:
            answer = self._service.call(
                "batch_execute_statement",
                self._writing,
                Statements=[statement(self.table, change) for change in changes],
            )
        except AwsError as error:
            return [error] * len(changes)
        told: list[dict[str, Any]] = answer.get("Responses", [])
        if len(told) != len(changes):
            short = f"{self._writing}: AWS answered {len(told)} of {len(changes)} statements"
            return [AwsError(short, "ShortAnswer", sent=True)] * len(changes)
        return [self._answer(change, each.get("Error")) for change, each in zip(changes, told, strict=True)]

    def _answer(self, change: Change, error: dict[str, Any] | None) -> Answer:
        """What became of one change. A call that botocore made twice meets its own first attempt: that is done."""
        if not error:
            return None
        code = code_of(str(error.get("Code", "")))
        if code not in _CHANGED:
            told = f"{self._writing} failed: {code}: {error.get('Message', '')}"
            return AwsError(told, code, sent=not is_throttling(code))
        try:
            now = item_of(error["Item"]) if error.get("Item") else self.read([change.key]).get(change.key)
        except AwsError as unread:
            return unread
        return None if now is not None and now == change.after else Conflict({change.key: now})

    def _write_whole(self, group: Sequence[Change]) -> Answer:
        """Changes that belong together, in one transaction."""
        error: AwsError | None = None
        for tried in range(TRIES):
            try:
                self._service.call_plainly(
                    "execute_transaction",
                    TransactStatements=[statement(self.table, change) for change in group],
                )
            except Exception as raised:  # noqa: BLE001  (botocore makes its classes at run time)
                reasons: list[dict[str, Any]] = getattr(raised, "response", {}).get("CancellationReasons", [])
                codes = [code_of(str(reason.get("Code", ""))) for reason in reasons]
                if any(code in _CHANGED for code in codes):
                    return self._conflict(group)
                error = explained(raised, self._writing)
                if not (is_throttling(error.code) or any(map(is_throttling, codes))):
                    return error
                self._sleep(PAUSE_S * 2**tried)
            else:
                return None
        return error

    def _conflict(self, group: Sequence[Change]) -> Answer:
        try:
            found = self.read([change.key for change in group])
        except AwsError as unread:
            return unread
        now = {change.key: found.get(change.key) for change in group}
        return None if all(now[change.key] == change.after for change in group) else Conflict(now)


def _parts(values: Sequence[T], size: int) -> list[Sequence[T]]:
    return [values[start : start + size] for start in range(0, len(values), size)]


def _may_be_tried_again(answer: Answer) -> bool:
    return isinstance(answer, AwsError) and is_throttling(answer.code)
