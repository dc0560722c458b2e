"""What an answer looks like: a page for a browser, JSON for a program."""

import logging
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.exceptions import HTTPException

from twolane import QueueError
from twolane.csvfile import CsvError

from . import settings, words

log = logging.getLogger(__name__)

# Nothing but our own two files is loaded, nothing runs that is written in a page, and nobody frames it.
POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Vary": "Accept, Cookie",
}

# What a customer can mend in a form, by the name of its field.
MEND = {
    "file": "Choose a CSV file to upload, in the form's field `file`.",
    "email": "Give an email address, such as ada@example.org.",
}

templates = Environment(
    loader=FileSystemLoader(Path(__file__).with_name("templates")),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


templates.filters.update(
    count=words.count, duration=words.duration, megabytes=words.megabytes, time=words.time
)


class Page(HTMLResponse):
    """A page with the headers that keep it to itself."""

    def __init__(self, content: Any = None, status_code: int = 200, **options: Any) -> None:
        super().__init__(content, status_code, **options)
        for name, value in HEADERS.items():
            self.headers.setdefault(name, value)


def render(template: str, **values: object) -> str:
    """A template as HTML; whatever customers wrote is escaped."""
    return templates.get_template(template).render(values)


def wants_page(request: Request) -> bool:
    """Whether a browser asks, rather than a program."""
    return "text/html" in request.headers.get("accept", "")


def problem(request: Request, status: int, sentence: str) -> Response:
    """What went wrong, in a sentence."""
    if wants_page(request):
        title = "Not found" if status == 404 else "That did not work"
        return Page(render("problem.html", title=title, sentence=sentence), status)
    return JSONResponse({"detail": sentence}, status)


def refuse_file(request: Request, error: CsvError) -> Response:
    """A file that is no CSV of flights: the error is a sentence for its customer."""
    return problem(request, 422, str(error))


def refuse_form(request: Request, error: RequestValidationError) -> Response:
    """A form that lacks something, or has something else in its place."""
    wrong = dict.fromkeys(str(each["loc"][-1]) for each in error.errors())
    return problem(
        request, 422, " ".join(MEND.get(name, f"{name} is not what it should be.") for name in wrong)
    )


def refuse(request: Request, error: HTTPException) -> Response:
    """Whatever an endpoint, or FastAPI itself, refuses with a status of its own."""
    sentence = error.detail
    if error.status_code == 413:
        sentence = (
            f"The file is larger than {words.megabytes(settings.MAX_UPLOAD_BYTES)}, which is the limit."
        )
    answer = problem(request, error.status_code, sentence)
    answer.headers.update(error.headers or {})
    return answer


def ask_to_try_again(request: Request, error: QueueError) -> Response:
    """The queue's file cannot be read: ours to mend, and soon."""
    log.error("%s %s: %s", request.method, request.url.path, error)
    return problem(request, 503, "This cannot be answered at the moment. Try again in a minute.")


def explain_errors(app: FastAPI) -> None:
    """Answer errors in sentences: no list of fields, no traceback."""
    app.exception_handler(CsvError)(refuse_file)
    app.exception_handler(RequestValidationError)(refuse_form)
    app.exception_handler(HTTPException)(refuse)
    app.exception_handler(QueueError)(ask_to_try_again)
