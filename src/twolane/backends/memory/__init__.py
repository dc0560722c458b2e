"""A queue with its records and a store of blobs in memory: for tests, and the model SQLite is held against."""

from twolane.backends.memory.blobs import MemoryBlobs
from twolane.backends.memory.queue import MemoryQueue

__all__ = ["MemoryBlobs", "MemoryQueue"]
