"""TL309: an async task blocks the event loop."""

from __future__ import annotations

from collections.abc import Iterator

from twolane.check.body import Body, Call
from twolane.check.refs import Func
from twolane.check.rule import Hit, Rule, SiteView, shown
from twolane.check.scopes import child

_BLOCKS = (
    "time.sleep", "requests.", "smtplib.", "subprocess.run", "subprocess.call", "subprocess.check_", "urllib.request.",
    "httpx.get", "httpx.post", "httpx.put", "httpx.delete", "httpx.Client", "os.system", "boto3.", "shutil.copytree",
    "shutil.make_archive", "yt_dlp.",
)  # fmt: skip
_NOT = (
    "requests.Session",
    "boto3.client",
    "boto3.resource",
    "boto3.Session",
    "smtplib.SMTPException",
    "requests.exceptions",
)


def _blocking(view: SiteView) -> Iterator[Hit]:
    for body, _ in view.bodies:
        if not body.func.is_async:
            continue
        for call in body.calls:
            found = _blocks(call, body)
            if found is not None:
                yield Hit(
                    call.line,
                    f"blocks the event loop, and with it every request of this process: {found}",
                    path=body.module.rel,
                )
                return


def _blocks(call: Call, body: Body) -> str | None:
    if not _is_here(call, body):
        return None
    if _is_blocking(call):
        return shown(call.node)
    if isinstance(call.ref, Func) and not call.ref.is_async and call.name != "lambda":
        below = Body(call.ref, body.names)
        inner = next((each for each in below.calls if _is_blocking(each)), None)
        if inner is not None:
            return f"{shown(call.func)} calls {shown(inner.func)}"
    return None


def _is_blocking(call: Call) -> bool:
    return call.outside.startswith(_BLOCKS) and not call.outside.startswith(_NOT)


def _is_here(call: Call, body: Body) -> bool:
    """In the async function itself, not in a function in it that a thread may run."""
    return call.scope is child(body.func.scope, body.func.node)


RULE = Rule(
    code="TL309",
    title="an async task that blocks",
    says="finding",
    reason=(
        "`async def` tasks run on the loop that answers requests. A blocking mail server or a `time.sleep` in one stops "
        "every request of the process for as long. Write `def` instead: both lanes run it in a thread."
    ),
    bad="""
async def mail(to: str) -> None:
    with smtplib.SMTP("mail") as server:
        server.sendmail("us@example.org", to, "hello")

@app.post("/hello")
async def hello(to: str, background_tasks: BackgroundTasks):
    background_tasks.add_task(mail, to)
""",
    good="""
def mail(to: str) -> None:
    with smtplib.SMTP("mail") as server:
        server.sendmail("us@example.org", to, "hello")

@app.post("/hello")
async def hello(to: str, background_tasks: BackgroundTasks):
    background_tasks.add_task(mail, to)
""",
    of_site=_blocking,
)
