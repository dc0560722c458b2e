"""`tasks.health_router()`: what a load balancer, Kubernetes or a monitor asks an app."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from twolane.engine.health import Health, HealthCheck
from twolane.values.condition import Kind, Standing
from twolane.wiring.installed import Installed

_ADDRESS = re.compile(r"://\S*")
"""What a target's name says beyond its kind: a host that is nobody's business who can reach the app."""
_METHODS = ["GET", "HEAD"]
_HEADERS = {"Cache-Control": "no-store"}


def health_router(tasks: Installed) -> APIRouter:
    """The routes; see `Tasks.health_router`."""
    router = APIRouter(include_in_schema=False)
    check = HealthCheck(lambda: tasks.runtime)

    async def live() -> JSONResponse:
        return _answer({"status": "ok"})

    async def ready() -> JSONResponse:
        found = await check.health()
        return _answer({"status": _status(found), "checks": found.checks}, is_ready=found.ready)

    async def health() -> JSONResponse:
        found = await check.health()
        conditions = [_condition(each) for each in found.conditions]
        content = {
            "status": _status(found),
            "checks": found.checks,
            "watched": found.watched,
            "conditions": conditions,
        }
        return _answer(content, is_ready=found.ready)

    for path, endpoint in (("/health/live", live), ("/health/ready", ready), ("/health", health)):
        router.add_api_route(path, endpoint, methods=_METHODS)
    return router


def _status(found: Health) -> str:
    if not found.ready:
        return "failing"
    return "warning" if found.conditions else "ok"


def _condition(standing: Standing) -> dict[str, Any]:
    since = datetime.fromtimestamp(standing.since, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    subject = _ADDRESS.sub("", standing.subject) if standing.kind == Kind.ALERTS else standing.subject
    return {"name": standing.kind, "subject": subject, "since": since}


def _answer(content: dict[str, Any], *, is_ready: bool = True) -> JSONResponse:
    return JSONResponse(content, 200 if is_ready else 503, headers=_HEADERS)
