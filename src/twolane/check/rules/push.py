"""TL205: the task pushes to open browsers."""

from __future__ import annotations

from twolane.check.body import Call
from twolane.check.rule import Rule, shown

_PUSHES = frozenset(
    "emit broadcast broadcast_json send_json send_text send_personal_message push_event publish_event send_bytes".split()  # noqa: SIM905
)
_SOCKETS = frozenset("websocket websockets ws sio socket socketio sockets sse connections hub".split())  # noqa: SIM905


def _pushes(call: Call) -> str | None:
    if call.name in _PUSHES or call.verb in ("emit", "broadcast"):
        return f"pushes to open browsers: {shown(call.node)}"
    if call.receiver & _SOCKETS and call.verb in ("send", "publish", "notify", "push"):
        return f"pushes to open browsers: {shown(call.node)}"
    return None


RULE = Rule(
    code="TL205",
    title="pushes to open browsers",
    says="background",
    weight=3,
    reason=(
        "A message over a websocket reaches whoever is looking just now. A restart closes the socket too, and a browser "
        "that comes back reads the state as it is."
    ),
    bad="""
async def done(job_id: str, db: Session) -> None:
    db.add(Result(job_id=job_id))
    db.commit()
    await sio.emit("done", {"id": job_id})

@app.post("/jobs/{job_id}")
async def finish(job_id: str, background_tasks: BackgroundTasks):
    background_tasks.add_task(done, job_id, SessionLocal())
""",
    good="""
async def tell(room: str, db: Session) -> None:
    users = db.query(User).filter(User.room == room).all()
    for user in users:
        await sio.emit("changed", {"room": room}, to=user.sid)

@app.post("/rooms/{room}")
async def change(room: str, background_tasks: BackgroundTasks):
    rooms.change(room)
    background_tasks.add_task(tell, room, SessionLocal())
""",
    of_call=_pushes,
)
