"""TL112: the task runs another program."""

from __future__ import annotations

from twolane.check.body import Call
from twolane.check.rule import Rule, shown

_RUNS = (
    "subprocess.", "os.system", "os.popen", "asyncio.create_subprocess_exec", "asyncio.create_subprocess_shell",
    "asyncio.subprocess.", "os.exec", "os.spawn", "anyio.run_process", "anyio.open_process", "docker.", "paramiko.", "git.Repo",
)  # fmt: skip


_NO_START = frozenset(
    ["from_env", "DockerClient", "SSHClient", "poll", "read", "readline", "readlines", "close", "fileno"]
)
"""These reach a program, or read what one says; it was started elsewhere."""


def _runs(call: Call) -> str | None:
    if call.outside.startswith(_RUNS) and call.name not in _NO_START:
        return f"runs another program: {shown(call.node)}"
    return None


RULE = Rule(
    code="TL112",
    title="runs another program",
    says="queue",
    weight=3,
    reason=(
        "A task that starts a program converts, trains, downloads or deploys something: long work with a result. When "
        "the server restarts, the program is killed or, worse, goes on with nobody to read its exit code."
    ),
    bad="""
def convert(video: str) -> None:
    subprocess.run(["ffmpeg", "-i", video, f"{video}.webm"], check=True)

@app.post("/videos")
def add(video: str, background_tasks: BackgroundTasks):
    background_tasks.add_task(convert, video)
""",
    good="""
@tasks.task(if_lost="alert", timeout_s=3600, because="the video would never play")
def convert(video: str) -> None:
    subprocess.run(["ffmpeg", "-i", video, f"{video}.webm"], check=True)

@app.post("/videos")
def add(video: str, lanes: Lanes):
    lanes.add_task(convert, video)
""",
    of_call=_runs,
)
