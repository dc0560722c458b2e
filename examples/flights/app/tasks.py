"""The tasks. Each answers one question: if it vanishes, does a human need to know?"""

from twolane import Blob, TaskContext, Tasks, csvfile, given

from . import mail, store, subscribers
from .models import Flight
from .store import Db

tasks = Tasks()


@tasks.task(if_lost="alert", name="import_flights", because="a customer waits for the rows of this file")
def import_flights(ctx: TaskContext, upload: Blob, db: Db = given) -> None:
    """Import a customer's file; killed at any row, it goes on from its last checkpoint."""
    problem = None
    db.begin(ctx.id)
    try:
        for chunk in csvfile.read(upload, Flight, start=ctx.cursor, chunk_rows=2_000):
            db.save(ctx.id, chunk)
            ctx.checkpoint(chunk.cursor, done=chunk.offset_bytes, total=upload.size_bytes)
    except csvfile.CursorRefused:
        raise  # our mistake and not the customer's: retried, and told to a human
    except csvfile.CsvError as error:
        problem = str(error)  # a bad file is the customer's to know, and no dead letter
    db.finish(ctx.id, problem)


@tasks.task(if_lost="ignore", because="a subscriber without a welcome is a subscriber all the same")
def send_welcome_email(email: str) -> None:
    """Greet a new subscriber."""
    mail.send(email, "Welcome", "You will hear from us when flights change.")


@tasks.task(if_lost="ignore", because="a process that dies takes its cache with it")
async def forget_subscriber_count() -> None:
    """The front page counts anew."""
    subscribers.count.cache_clear()


@tasks.task(if_lost="ignore", because="statistics bear a gap")
def record_event(name: str) -> None:
    """Count what happens for the statistics."""
    with store.opened() as db:
        db.record_event(name)
