"""TL201: the task tidies up files of this machine."""

from __future__ import annotations

from twolane.check.body import Call
from twolane.check.rule import Rule, shown

_REMOVES = frozenset(
    [
        "os.remove", "os.unlink", "os.rmdir", "os.removedirs", "shutil.rmtree", "pathlib.Path.unlink", "pathlib.Path.rmdir",
        "tempfile.TemporaryDirectory.cleanup", "tempfile.TemporaryDirectory().cleanup", "aiofiles.os.remove", "aiofiles.os.unlink",
        "gc.collect", "torch.cuda.empty_cache", "os.close", "contextlib.suppress",
    ]
)  # fmt: skip
_TEMPORARY = frozenset("temp tmp temporary tempdir tmpdir file path folder dir directory".split())  # noqa: SIM905


def _removes(call: Call) -> str | None:
    if call.outside in _REMOVES or call.outside.startswith("tempfile."):
        return f"removes what is temporary: {shown(call.node)}"
    if call.name in ("unlink", "rmtree", "rmdir") and not call.outside.startswith(("sqlalchemy.", "boto3.")):
        return f"removes what is temporary: {shown(call.node)}"
    if call.name in ("close", "cleanup") and call.receiver & _TEMPORARY:
        return f"closes a file: {shown(call.node)}"
    return None


RULE = Rule(
    code="TL201",
    title="tidies up files",
    says="background",
    weight=3,
    reason=(
        "A temporary file that stays behind costs disk space until the next reboot or sweep, and nobody notices. This is "
        "what background tasks are for."
    ),
    bad="""
def finish(path: str) -> None:
    invoices.send_to_customer(path)
    os.remove(path)

@app.get("/report")
def report(background_tasks: BackgroundTasks):
    background_tasks.add_task(finish, "/tmp/report.pdf")
""",
    good="""
@app.get("/report")
def report(background_tasks: BackgroundTasks):
    path = render_report()
    background_tasks.add_task(os.remove, path)
    return FileResponse(path)
""",
    of_call=_removes,
)
