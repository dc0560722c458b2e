"""What kind each queue is, in a sentence for people (`twolane doctor`)."""

from __future__ import annotations

from collections.abc import Iterable

from twolane.backends.aws import AwsError, Service
from twolane.backends.sqs.addresses import Address
from twolane.backends.sqs.wires import LEAST_RECEIVES, Wires

_KINDS = {
    True: "FIFO (one of a group at a time, in the order of the sends)",
    False: "standard (no order; a group makes it fair)",
}


def kinds(address: Address, queues: Iterable[str], service: Service | None = None) -> dict[str, str]:
    """Tell the kind of each queue and where its dead letters go; what is wrong with it where it cannot be asked."""
    service = service or Service("sqs")
    wires = Wires(address, service)
    try:
        return {queue: _kind(wires, queue) for queue in queues}
    finally:
        service.close()


def _kind(wires: Wires, queue: str) -> str:
    try:
        kind = _KINDS[wires.is_fifo(queue)]
        most = wires.most_receives(queue)
        dead = wires.dead_url(queue)
    except AwsError as error:
        return str(error)
    if dead is None:
        return f"{kind}; it has NO dead-letter queue: what dies has a record at most"
    moved = "" if most is None else f", moved there by SQS after {most} receives"
    if most is not None and most < LEAST_RECEIVES:
        moved += (
            ", which is TOO FEW: retries, releases and delays take receives too; set maxReceiveCount to 50"
        )
    return f"{kind}; dead letters lie in {dead.rpartition('/')[2]}{moved}"
