"""The endpoints. None does long work itself: it adds a task and answers."""

from dataclasses import replace
from typing import Annotated

from fastapi import Depends, FastAPI, Form, HTTPException, Query, Request, UploadFile
from fastapi.responses import HTMLResponse, JSONResponse

from twolane import Lanes, Ticket, csvfile

from . import page, settings, store, trouble
from .models import Flight, ImportStatus, RejectedRow
from .tasks import forget_subscriber_count, import_flights, record_event, send_welcome_email, tasks

app = FastAPI(title="Flights")
tasks.install(app)
trouble.add_to(tasks)  # for `make demo`

Line = Annotated[int, Query(ge=0, le=10**12)]
PageSize = Annotated[int, Query(ge=1, le=1000)]
Email = Annotated[str, Form(pattern=r"^[^@\s]+@[^@\s]+$", max_length=254)]


@app.get("/", response_class=HTMLResponse)
def front_page() -> str:
    """Two forms and the latest imports."""
    return page.render()


@app.post("/subscribe", status_code=204)
def subscribe(email: Email, lanes: Lanes) -> None:
    """Keep a subscriber; what may be lost happens after the answer."""
    with store.opened() as db:
        db.subscribe(email)
    lanes.add_task(send_welcome_email, email)
    lanes.add_task(forget_subscriber_count)
    lanes.add_task(record_event, "subscribed")


@app.post("/imports", status_code=202, dependencies=[Depends(tasks.limit_body(settings.MAX_UPLOAD_BYTES))])
def create_import(file: UploadFile, lanes: Lanes) -> Ticket:
    """Accept a file; when the 202 leaves, the import can no longer vanish."""
    csvfile.check_head(file.file, Flight)
    ticket = lanes.add_task(import_flights, lanes.store(file))
    return replace(ticket, status_url=f"/imports/{ticket.id}")


@app.get("/imports/{import_id}")
def read_import(import_id: str) -> ImportStatus:
    """How far an import is."""
    record = tasks.record(import_id)
    if record is None or record.task != import_flights.name:
        raise HTTPException(404, "There is no such import.")
    with store.opened() as db:
        imported, rejected = db.counts(import_id)
    return ImportStatus(
        id=import_id,
        state=record.state,
        done=record.done or 0,
        total=record.total,
        imported=imported,
        rejected=rejected,
    )


@app.get("/imports/{import_id}/rejected")
def read_rejected(import_id: str, after_line: Line = 0, limit: PageSize = 100) -> list[RejectedRow]:
    """The rows of an import that were not taken, a page at a time."""
    with store.opened() as db:
        return db.rejected(import_id, after_line, limit)


@app.exception_handler(csvfile.CsvError)
def refuse_file(_: Request, error: csvfile.CsvError) -> JSONResponse:
    """A file that is no CSV of flights: the sentence is for the customer."""
    return JSONResponse({"detail": str(error)}, status_code=422)
