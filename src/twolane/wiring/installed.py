"""What the doors and the commands need of a `Tasks`, which lies on a floor above them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from twolane.engine.runtime import Runtime
from twolane.engine.task import Registry, Sendable
from twolane.wiring.settings import Settings


class StatusUrlsLike(Protocol):
    """Finds where a status can be read."""

    def of(self, scope: Mapping[str, Any], message_id: str) -> str | None:
        """The path of a message's status, as the request of this ASGI scope would reach it; None: nowhere."""
        ...


class Installed(Protocol):
    """A `Tasks`, as an app or a command line finds it.

    Attributes:
        registry: the tasks.
        apps: the apps that have them installed.
        lambda_background: `inline`: in Lambda an answer waits for its background tasks.
    """

    registry: Registry
    status_urls: StatusUrlsLike | None
    apps: list[Any]
    lambda_background: str | None

    @property
    def runtime(self) -> Runtime:
        """What this process holds open."""
        ...

    @property
    def settings(self) -> Settings:
        """What holds."""
        ...

    def checked(self, task: Any) -> Sendable[...]:
        """The task, if it is one of these."""
        ...
