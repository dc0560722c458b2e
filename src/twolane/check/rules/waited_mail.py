"""TL103: the task sends a mail that somebody waits for."""

from __future__ import annotations

from collections.abc import Iterator

from twolane.check.rule import Hit, Rule, SiteView
from twolane.check.rules.mail import sends_mail, tone


def _mails(view: SiteView) -> Iterator[Hit]:
    calls = [call for body, _ in view.bodies for call in body.reached if sends_mail(call)]
    if view.call is not None and sends_mail(view.call):
        calls.insert(0, view.call)
    if not calls:
        return
    kind, word = tone(view)
    if kind == "courtesy":
        return
    path = calls[0].module.rel
    if kind == "waited":
        yield Hit(calls[0].line, f'sends a mail that somebody waits for ("{word}")', 4, path)
    else:
        yield Hit(calls[0].line, "sends a mail, and nothing says that it is a courtesy", 3, path)


RULE = Rule(
    code="TL103",
    title="sends a mail that somebody waits for",
    says="queue",
    weight=4,
    reason=(
        "A password reset, an invitation, an approval, an invoice: the receiver cannot go on without it, and the sender "
        "believes that it has gone. Mail servers refuse and time out every day, and a task in the process tries once. "
        "One function often sends both kinds, so the words at the call decide: the template, the subject, the name."
    ),
    bad="""
def send_email(to: str, template: str) -> None:
    with smtplib.SMTP("mail") as server:
        server.sendmail("us@example.org", to, render(template))

@app.post("/forgot")
def forgot(email: str, background_tasks: BackgroundTasks):
    background_tasks.add_task(send_email, email, template="reset-password.html")
""",
    good="""
def send_email(to: str, template: str) -> None:
    with smtplib.SMTP("mail") as server:
        server.sendmail("us@example.org", to, render(template))

reset_mail = tasks.task(if_lost="alert", name="reset_mail", because="nobody can log in without it")(send_email)

@app.post("/forgot")
def forgot(email: str, lanes: Lanes):
    lanes.add_task(reset_mail, email, template="reset-password.html")
""",
    of_site=_mails,
)
