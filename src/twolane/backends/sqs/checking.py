"""What SQS would not take, or not keep: said before anything of a send is stored."""

from __future__ import annotations

from collections.abc import Sequence

from twolane.backends.aws import AwsError
from twolane.backends.sqs.wires import Wires
from twolane.contracts.queue import Outgoing
from twolane.values.body import check_body
from twolane.values.errors import SendRefused


def check(messages: Sequence[Outgoing], wires: Wires, max_body_bytes: int) -> None:
    """See that SQS can take the messages of one send.

    Raises:
        SendRefused: it cannot take one of them, so none was stored.
    """
    for message in messages:
        check_body(message.body, max_body_bytes, message.id)
        try:
            fifo = wires.is_fifo(message.queue)
        except AwsError as error:
            ids = [each.id for each in messages]
            raise SendRefused(f"{error}; nothing was stored: {', '.join(ids)}", ids) from error
        if fifo and message.delay_s > 0:
            raise SendRefused(
                f"message {message.id}: queue {message.queue} is FIFO, and SQS delays no single message there, since "
                "its group would have to wait for it; nothing was stored. Send it without delay_s, let its task use a "
                "queue that is not FIFO, or set DelaySeconds of the queue itself, for all",
                [message.id],
            )
