"""TL207: the task sends a courtesy."""

from __future__ import annotations

from collections.abc import Iterator

from twolane.check.rule import Hit, Rule, SiteView
from twolane.check.rules.mail import sends_mail, tone


def _courtesies(view: SiteView) -> Iterator[Hit]:
    calls = [call for body, _ in view.bodies for call in body.reached if sends_mail(call)]
    if view.call is not None and sends_mail(view.call):
        calls.insert(0, view.call)
    kind, word = tone(view) if calls else ("", "")
    if kind == "courtesy":
        yield Hit(view.site.line, f'the mail is a courtesy ("{word}"): nobody acts on it', 3)


RULE = Rule(
    code="TL207",
    title="sends a courtesy",
    says="background",
    weight=3,
    reason=(
        "A welcome, a thank-you, a newsletter: the change it tells of is stored already, and nobody waits for it. "
        "The words at the call say which kind of mail it is; a welcome that carries the link to verify an address is "
        "no courtesy."
    ),
    bad="""
def send_email(to: str, subject: str) -> None:
    with smtplib.SMTP("mail") as server:
        server.sendmail("us@example.org", to, subject)

@app.post("/users")
def register(email: str, background_tasks: BackgroundTasks):
    background_tasks.add_task(send_email, email, subject="Welcome! Verify your address")
""",
    good="""
def send_email(to: str, subject: str) -> None:
    with smtplib.SMTP("mail") as server:
        server.sendmail("us@example.org", to, subject)

@app.post("/users")
def register(email: str, background_tasks: BackgroundTasks):
    background_tasks.add_task(send_email, email, subject="Welcome to the shop")
""",
    of_site=_courtesies,
)
