"""Where the status of a message can be read: the path of the status route, as the present request would reach it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.routing import NoMatchFound

STATUS_NAME = "twolane_status"
EVENTS_NAME = "twolane_status_events"

_MARK = "~"  # stands for an id: a character that no escaping changes


class StatusUrls:
    """Finds the status route among the routes of the app that a request came to; remembers where it is."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[Any, str]] = {}

    def of(self, scope: Mapping[str, Any], message_id: str) -> str | None:
        """The path of a message's status; None: there is no such route.

        A mounted app's own route goes before one of the app around it.
        """
        outer, app = scope.get("router"), scope.get("app")
        inner = getattr(app, "router", None)
        if inner is not None and inner is not outer and (found := self._path_in(inner)) is not None:
            return f"{scope.get('root_path', '')}{found}{message_id}"
        if outer is None or (found := self._path_in(outer)) is None:
            return None
        return f"{scope.get('app_root_path', scope.get('root_path', ''))}{found}{message_id}"

    def _path_in(self, router: Any) -> str | None:
        """The path up to the id."""
        if id(router) in self._known:
            return self._known[id(router)][1]
        try:
            path = str(router.url_path_for(STATUS_NAME, id=_MARK))
        except NoMatchFound:
            return None
        if "{" in path:  # below a mount whose own parameters are not known here
            return None
        self._known[id(router)] = (
            router,
            path.removesuffix(_MARK),
        )  # the router is kept: its number is its own
        return self._known[id(router)][1]


def path_of(scope: Mapping[str, Any], name: str, **params: str) -> str | None:
    """The path of a route by its name, as the request of this scope would reach it; None: there is no such route.

    A mounted app's own route goes before one of the app around it.
    """
    outer, inner = scope.get("router"), getattr(scope.get("app"), "router", None)
    mounted = scope.get("root_path", "")
    for router, root in ((inner, mounted), (outer, scope.get("app_root_path", mounted))):
        try:
            if router is not None:
                return f"{root}{router.url_path_for(name, **params)}"
        except NoMatchFound:
            continue
    return None
