"""How many have subscribed, remembered by each process until somebody subscribes there."""

from functools import cache

from . import store


@cache
def count() -> int:
    """How many there are."""
    with store.opened() as db:
        return db.count_subscribers()
