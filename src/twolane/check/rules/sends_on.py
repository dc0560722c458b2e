"""TL111: the task puts work into a real queue."""

from __future__ import annotations

from twolane.check.body import Call
from twolane.check.rule import Rule, shown

_ENQUEUE = frozenset(
    [
        "enqueue",
        "enqueue_job",
        "enqueue_at",
        "enqueue_in",
        "apply_async",
        "send_task",
        "delay",
        "kiq",
        "basic_publish",
        "rpush",
        "lpush",
        "xadd",
        "send_message_batch",
        "start_workflow",
        "execute_workflow",
        "schedule_task",
        "schedule_job",
        "defer_async",
        "produce",
        "send_and_wait",
    ]
)
_BROKERS = frozenset(
    [
        "queue",
        "broker",
        "producer",
        "kafka",
        "sqs",
        "rabbit",
        "rabbitmq",
        "celery",
        "arq",
        "rq",
        "pubsub",
        "channel",
        "sns",
        "nats",
        "dramatiq",
        "bus",
        "jetstream",
        "mqtt",
        "eventbridge",
        "servicebus",
    ]
)


def _enqueues(call: Call) -> str | None:
    if call.local or call.outside.startswith(("asyncio.", "queue.", "threading.", "itertools.")):
        return None
    if call.name in _ENQUEUE and "." in call.text:
        return f"hands work to a queue from inside a task that may be lost: {shown(call.node)}"
    if call.name in ("send", "publish", "send_message", "put") and call.receiver & _BROKERS:
        return f"hands work to a queue from inside a task that may be lost: {shown(call.node)}"
    return None


RULE = Rule(
    code="TL111",
    title="enqueues from inside a task",
    says="queue",
    weight=3,
    reason=(
        "The work is important enough for a real queue, and the way there is through a task that may be lost. Enqueue in "
        "the request: it takes a millisecond, and a failure is an answer."
    ),
    bad="""
async def enqueue_download(project_id: int, redis) -> None:
    await redis.enqueue_job("download", project_id)

@app.post("/projects")
async def create(project_id: int, background_tasks: BackgroundTasks):
    background_tasks.add_task(enqueue_download, project_id, pool)
""",
    good="""
@app.post("/projects")
async def create(project_id: int, lanes: Lanes):
    lanes.add_task(download, project_id)

@tasks.task(if_lost="alert", because="the project is useless without its data")
def download(project_id: int) -> None:
    fetch_tiles(project_id)
""",
    of_call=_enqueues,
)
