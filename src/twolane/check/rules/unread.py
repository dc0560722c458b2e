"""TL000, TL001 and TL002: what the checker itself could not do."""

from __future__ import annotations

from twolane.check.rule import Rule

UNPROVEN = Rule(
    code="TL000",
    title="nothing is proven",
    says="finding",
    reason=(
        "Neither side has enough evidence: the code lies in a library, is looked up by a string, or has not been written "
        "yet. No evidence is `unsure`, never `background`. Ask the question yourself, and write the answer down: as "
        "`if_lost=...`, or as a comment `# twolane: ignore[TL000] ...` with the reason."
    ),
    bad="""
@app.post("/jobs/{name}")
def start(name: str, background_tasks: BackgroundTasks):
    background_tasks.add_task(registry[name])
""",
    good="""
@app.post("/jobs/{name}")
def start(name: str, lanes: Lanes):
    lanes.add_task(run_by_name, name)
""",
)

UNREAD = Rule(
    code="TL001",
    title="a file that was not checked",
    says="finding",
    reason=(
        "A file that does not parse with the Python that runs the check, is not in its encoding, or is huge was left "
        "out: nothing is known about it. Exclude it, or run the check with a newer Python."
    ),
    bad="def f(:\n",
    good="def f():\n    return 1\n",
)

UNEXPLAINED = Rule(
    code="TL002",
    title="a suppression without a reason",
    says="finding",
    reason=(
        "`# twolane: ignore[TL101]` says that somebody has answered the question, and not how. Write the reason behind "
        "it: `# twolane: ignore[TL101] best effort by design`. Without one, or with a code that "
        "no rule has, it suppresses nothing."
    ),
    bad="""
@app.post("/users")
def register(email: str, background_tasks: BackgroundTasks):
    background_tasks.add_task(print, email)  # twolane: ignore[TL101]
""",
    good="""
@app.post("/users")
def register(email: str, background_tasks: BackgroundTasks):
    background_tasks.add_task(print, email)  # twolane: ignore[TL101] a line for whoever looks
""",
)
