"""A queue on Amazon SQS with a state store beside it. Floor 3: knows the contracts, not the engine."""

from twolane.backends.sqs.addresses import Address, read_address
from twolane.backends.sqs.depths import NoRecords
from twolane.backends.sqs.kinds import kinds
from twolane.backends.sqs.queue import SqsQueue
from twolane.backends.sqs.records import StateRecords
from twolane.backends.sqs.stateless import StatelessSqsQueue

__all__ = ["Address", "NoRecords", "SqsQueue", "StateRecords", "StatelessSqsQueue", "kinds", "read_address"]
