"""Who a customer is: whoever holds the cookie. There is no login here; put yours in this place."""

import re
import secrets
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, HTTPException, Request, Response

COOKIE = "customer"
YEAR_S = 365 * 24 * 3600
ID = re.compile(r"[\w-]{32}", re.ASCII)


def customer_of(request: Request, response: Response) -> str:
    """The customer's id: random, so that nobody can guess another's; made at the first visit."""
    known = request.cookies.get(COOKIE, "")
    if ID.fullmatch(known):
        return known
    made = secrets.token_urlsafe(24)
    is_https = request.url.scheme == "https"
    response.set_cookie(COOKIE, made, max_age=YEAR_S, httponly=True, samesite="lax", secure=is_https)
    return made


def check_same_origin(request: Request) -> None:
    """Refuse a form that another site made a browser send: the cookie alone does not say who wanted it."""
    headers = request.headers
    origin = headers.get("origin")
    if "sec-fetch-site" in headers:
        is_ours = headers["sec-fetch-site"] in ("same-origin", "none")
    else:  # an old browser, or none at all: curl sends neither, and no cookie of somebody else
        is_ours = origin is None or urlsplit(origin).netloc == headers.get("host")
    if not is_ours:
        raise HTTPException(403, "This form was sent from another site, so nothing was done.")


Customer = Annotated[str, Depends(customer_of)]
SameOrigin = Depends(check_same_origin)
