"""The imports of a customer: upload a file, watch it, cancel it, download what was rejected."""

import hashlib
from typing import Annotated, BinaryIO
from uuid import uuid4

from fastapi import APIRouter, Depends, HTTPException, Request, Response, UploadFile
from fastapi.responses import StreamingResponse

from twolane import Lanes, Record, State, Ticket, csvfile

from . import settings, store
from .answers import Page, render, wants_page
from .customers import COOKIE, Customer, SameOrigin
from .models import Flight, Import
from .progress import Progress, progress_of
from .rejected import as_csv
from .store import Db, Store
from .tasks import import_flights, tasks

router = APIRouter(prefix="/imports")

Limited = Depends(tasks.limit_body(settings.MAX_UPLOAD_BYTES))


def own_import(import_id: str, customer: Customer, db: Db) -> Progress:
    """The customer's import; somebody else's is as unknown as one that never was."""
    its = db.find(import_id)
    progress = progress_of(its, tasks.record(its.id)) if its and its.customer == customer else None
    if progress is None:
        raise HTTPException(404, "There is no such import.")
    return progress


OwnImport = Annotated[Progress, Depends(own_import)]


def is_owner(request: Request, record: Record) -> bool:
    """Whether a request may see the status of a message."""
    with store.opened() as db:
        its = db.find(record.id)
    return its is not None and its.customer == request.cookies.get(COOKIE)


@router.post("", status_code=202, dependencies=[Limited, SameOrigin])
def create_import(
    file: UploadFile, customer: Customer, db: Db, lanes: Lanes, request: Request, response: Response
) -> Ticket:
    """Accept a file: when the answer leaves, its import can no longer vanish. The same file again changes nothing."""
    csvfile.check_head(file.file, Flight)
    its, is_known = claim(db, customer, sha256_of(file.file), file.filename)
    if is_known:
        ticket = Ticket(its.id, import_flights.name, import_flights.lane, f"/status/{its.id}")
    else:
        ticket = lanes.add_task(import_flights.options(id=its.id), lanes.store(file.file))
    response.headers["Location"] = f"/imports/{its.id}" + ("?same=1" if is_known else "")
    if wants_page(request):
        response.status_code = 303
    elif is_known:
        response.status_code = 200
    return ticket


def sha256_of(file: BinaryIO) -> str:
    """Equal for equal files."""
    digest = hashlib.sha256()
    file.seek(0)
    while piece := file.read(1_048_576):
        digest.update(piece)
    return digest.hexdigest()


def claim(db: Store, customer: str, sha256: str, name: str | None) -> tuple[Import, bool]:
    """The import of a file, and whether it is in the queue or done already.

    The row is there before the message, under the message's id. Should the process die between the two,
    nobody was told yes; the next upload of the file finds the row and sends the message that is missing.
    Two uploads at once find the same row and send the same message, which the queue stores once.
    """
    new_id = str(uuid4())
    while True:
        its = db.claim(new_id, customer, sha256, (name or "a file")[:200])
        if its.id == new_id:
            return its, False
        progress = progress_of(its, tasks.record(its.id))
        if progress is None or not progress.ended_badly:
            return its, progress is not None
        db.give_up(its.id)


@router.get("/{import_id}", response_model=None)
def read_import(
    progress: OwnImport, db: Db, request: Request, response: Response, same: str = ""
) -> Page | Progress:
    """How far an import is."""
    if not wants_page(request):
        response.headers.update({"Cache-Control": "no-store", "Vary": "Accept, Cookie"})
        return progress
    return Page(render("import.html", its=progress, same=same, rejected=db.rejected(progress.id, limit=5)))


@router.get("/{import_id}/progress", response_class=Page)
def read_progress(progress: OwnImport, db: Db) -> str:
    """The part of the page that changes, for the script that swaps it."""
    return render("progress.html", its=progress, rejected=db.rejected(progress.id, limit=5))


@router.post("/{import_id}/cancel", status_code=202, dependencies=[SameOrigin])
def cancel_import(progress: OwnImport, request: Request, response: Response) -> dict[str, str]:
    """Stop an import; the rows that are done stay."""
    if progress.is_over:
        raise HTTPException(409, f"This import is {progress.state} already: there is nothing left to cancel.")
    record = tasks.cancel(progress.id)
    if record is None or record.state in (State.DONE, State.DEAD, State.DISCARDED):
        raise HTTPException(409, "This import has just come to its end: there is nothing left to cancel.")
    response.headers["Location"] = f"/imports/{progress.id}"
    if wants_page(request):
        response.status_code = 303
    return {"detail": "The import stops at its next row."}


@router.get("/{import_id}/rejected.csv")
def read_rejected(progress: OwnImport) -> StreamingResponse:
    """The rows that were not taken, as a file for the customer to mend."""
    headers = {"Content-Disposition": 'attachment; filename="rejected-rows.csv"', "Cache-Control": "no-store"}
    return StreamingResponse(as_csv(progress.id), media_type="text/csv", headers=headers)
