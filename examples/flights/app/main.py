"""The app, put together, and its front page. No endpoint does long work: it adds a task and answers."""

from pathlib import Path
from typing import Annotated

from fastapi import FastAPI, Form, Request, Response
from fastapi.responses import RedirectResponse
from fastapi.staticfiles import StaticFiles

from twolane import Lanes

from . import imports, settings, subscribers, trouble
from .answers import Page, explain_errors, render, wants_page
from .customers import Customer, SameOrigin
from .progress import progress_of
from .store import Db
from .tasks import forget_subscriber_count, record_event, send_welcome_email, tasks

app = FastAPI(title="Flights")
tasks.install(app)
trouble.add_to(tasks)  # for `make demo`
explain_errors(app)
app.include_router(imports.router)
app.include_router(tasks.status_router(authorize=imports.is_owner), prefix="/status")
app.mount("/static", StaticFiles(directory=Path(__file__).with_name("static")))

Email = Annotated[str, Form(pattern=r"^[^@\s,;]+@[^@\s,;]+$", max_length=254)]


@app.get("/", response_class=Page)
def front_page(customer: Customer, db: Db, subscribed: str = "") -> str:
    """Two forms and the customer's imports."""
    known = (progress_of(its, tasks.record(its.id)) for its in db.latest(customer))
    return render(
        "front.html",
        imports=[progress for progress in known if progress],
        max_bytes=settings.MAX_UPLOAD_BYTES,
        subscribers=subscribers.count(),
        subscribed=subscribed,
    )


@app.post("/subscribe", dependencies=[SameOrigin])
def subscribe(email: Email, db: Db, lanes: Lanes, request: Request) -> Response:
    """Keep a subscriber; what may be lost happens after the answer."""
    db.subscribe(email)
    lanes.add_task(send_welcome_email, email)
    lanes.add_task(forget_subscriber_count)
    lanes.add_task(record_event, "subscribed")
    return RedirectResponse("/?subscribed=1", 303) if wants_page(request) else Response(status_code=204)
