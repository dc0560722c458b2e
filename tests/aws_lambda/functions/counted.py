"""A function that says which clients of AWS are made in it."""

from __future__ import annotations

from typing import Any

from botocore.session import Session
from shop import journal

import twolane.aws_lambda

create_client = Session.create_client


def said(self: Session, service_name: str, *args: Any, **kwargs: Any) -> Any:
    journal("client", service_name)
    return create_client(self, service_name, *args, **kwargs)


Session.create_client = said  # type: ignore[method-assign]

handler = twolane.aws_lambda.handler("shop:app")
