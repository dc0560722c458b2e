"""TL205: the task pushes to open browsers."""

from __future__ import annotations

from twolane.check.body import Call
from twolane.check.rule import Rule, shown

_PUSHES = frozenset("broadcast_json send_json send_text send_personal_message send_bytes".split())  # noqa: SIM905
"""What a websocket is spoken to with."""
_SOCKETS = frozenset(
    "websocket websockets ws wss sio socket socketio sockets sse connection connections hub realtime clients".split()  # noqa: SIM905
)
_SPEAKS = frozenset("send publish notify push emit broadcast".split())  # noqa: SIM905
_ELSEWHERE = frozenset(
    "bus kafka nats rabbit rabbitmq broker producer outbox queue email emails mail sms slack webhook telegram".split()  # noqa: SIM905
)
"""`bus.emit("order.created")` reaches a program that must know."""


def _pushes(call: Call) -> str | None:
    if (call.words | call.receiver) & _ELSEWHERE:
        return None
    on_sockets = call.receiver & _SOCKETS
    if call.name in _PUSHES or (on_sockets and call.verb in _SPEAKS):
        return f"pushes to open browsers: {shown(call.node)}"
    if call.verb == "broadcast" and (call.receiver & {"manager"} or call.words & _SOCKETS):
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
