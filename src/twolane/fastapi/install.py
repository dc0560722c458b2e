"""`tasks.install(app)`: both lanes for an app."""

from __future__ import annotations

from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware

from twolane.fastapi.lifespan import with_lanes
from twolane.fastapi.middleware import LanesMiddleware
from twolane.values.errors import UsageError
from twolane.wiring.installed import Installed


def install(app: Any, tasks: Installed) -> None:
    """Add the middleware, innermost of the user's whatever comes later, and wrap the lifespan.

    Raises:
        UsageError: no FastAPI or Starlette app; it has been started, or has tasks installed already.
    """
    if not isinstance(app, Starlette):
        raise UsageError(f"tasks.install takes a FastAPI or Starlette app, not {type(app).__name__}")
    if app.middleware_stack is not None:
        raise UsageError("tasks.install(app) comes before the app is started or gets its first request")
    if (present := getattr(app.state, "twolane", None)) is not None:
        whose = "these tasks" if present is tasks else "another Tasks"
        raise UsageError(f"the app has {whose} installed already: one Tasks an app, installed once")
    app.state.twolane = tasks
    tasks.apps.append(app)
    app.user_middleware.append(Middleware(LanesMiddleware, tasks=tasks))
    app.router.lifespan_context = with_lanes(app.router.lifespan_context, tasks)
