"""What `twolane doctor` says of each queue."""

from __future__ import annotations

import pytest

from tests.aws.places import Place, service
from tests.aws.servers import Server
from twolane.backends.sqs.kinds import kinds


@pytest.mark.parametrize(
    ("receives", "fifo", "said"),
    [
        (
            50,
            False,
            "standard (no order; a group makes it fair); dead letters lie in {}, moved there by SQS after 50 receives",
        ),
        (
            9,
            True,
            (
                "FIFO (one of a group at a time, in the order of the sends); dead letters lie in {}.fifo, moved there by SQS "
                "after 9 receives, which is TOO FEW: retries, releases and delays take receives too; set maxReceiveCount to 50"
            ),
        ),
    ],
)
def test_its_kind_its_dead_letter_queue_and_a_redrive_policy_that_leaves_no_room(
    aws: Server, receives: int, fifo: bool, said: str
) -> None:
    place = Place(aws, max_receives=receives, fifo=fifo)

    told = kinds(place.address, ["default", "nobody"], service("sqs", aws))

    assert told["default"] == said.format(f"{place.name}-default-dead")
    assert "there is no such queue" in told["nobody"]
    place.close()


def test_one_without_a_dead_letter_queue(aws: Server) -> None:
    place = Place(aws)
    place.sqs.client.set_queue_attributes(QueueUrl=place.urls["default"], Attributes={"RedrivePolicy": ""})

    told = kinds(place.address, ["default"], service("sqs", aws))

    assert told["default"].endswith("it has NO dead-letter queue: what dies has a record at most")
    place.close()
