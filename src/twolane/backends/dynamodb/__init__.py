"""A store of items in one DynamoDB table (contracts.state): conditional writes, one index, finished items expire.

Floor 3: knows the contract and nothing of messages.
"""

from twolane.backends.dynamodb.store import DynamoState
from twolane.backends.dynamodb.table import create_table

__all__ = ["DynamoState", "create_table"]
