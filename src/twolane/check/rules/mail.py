"""TL103 and TL207 look at the same mails; what sends a mail, and which words say who waits for it, stands here."""

from __future__ import annotations

from twolane.check.body import Body, Call
from twolane.check.rule import SiteView
from twolane.check.words import has_word, words

WAITED = frozenset(
    [
        "reset",
        "verify",
        "verification",
        "token",
        "magic",
        "otp",
        "invite",
        "invitation",
        "approve",
        "approval",
        "reject",
        "rejection",
        "request",
        "order",
        "invoice",
        "receipt",
        "voucher",
        "shipping",
        "shipment",
        "ticket",
        "escalate",
        "escalation",
        "action",
        "required",
        "password",
        "recovery",
        "recover",
        "activation",
        "activate",
        "signin",
        "login",
        "code",
        "alert",
        "alarm",
        "warning",
        "payment",
        "booking",
        "reservation",
        "appointment",
        "contact",
        "assigned",
        "assign",
        "deadline",
        "overdue",
        "contract",
        "quote",
        "unlock",
        "security",
        "mfa",
        "2fa",
        "report",
    ]
)
COURTESY = frozenset(
    [
        "welcome",
        "thank",
        "thanks",
        "newsletter",
        "unsubscribe",
        "subscribe",
        "subscription",
        "waitlist",
        "waitlists",
        "digest",
        "progress",
        "encouragement",
        "birthday",
        "congratulation",
        "congratulations",
        "greeting",
        "greetings",
        "goodbye",
        "farewell",
        "marketing",
        "promo",
        "promotion",
        "feedback",
        "survey",
        "hello",
        "onboarding",
    ]
)
_MESSAGES = frozenset("email emails mail mails mailer sms whatsapp smtp letter".split())  # noqa: SIM905
_SENDS = frozenset("send deliver dispatch email mail notify forward resend sending".split())  # noqa: SIM905
_LIBRARIES = (
    "smtplib.", "aiosmtplib.", "fastapi_mail.", "sendgrid.", "resend.", "mailjet", "postmarker.", "mailtrap.",
    "python_http_client.", "emails.", "redmail.", "yagmail.", "twilio.", "mailersend.", "brevo",
)  # fmt: skip
_TRANSPORTS = frozenset(
    "send_message sendmail send_email send_mail send_raw_email send_templated_email send_sms messages_create".split()  # noqa: SIM905
)
_LONGEST = 120


def sends_mail(call: Call) -> bool:
    """Whether a call sends a mail or a message to a phone."""
    if call.outside.startswith(_LIBRARIES) and call.name in (*_TRANSPORTS, "send", "SMTP", "create"):
        return True
    if call.name in _TRANSPORTS and (
        "mail" in call.text or "sms" in call.text or call.name != "send_message"
    ):
        return True
    if call.name == "send_message" and call.receiver & (_MESSAGES | {"fm", "server", "fastmail"}):
        return True
    named = words(call.name)
    return bool(set(named) & _MESSAGES and set(named) & _SENDS and not call.makes and "render" not in named)


def tone(view: SiteView) -> tuple[str, str]:
    """Whether a person waits for the mail of a site: (`waited`, `courtesy` or `unknown`, the word that says so).

    The site's own words come first, then those of the task's body, then those of the function around the site. `report_success`
    tells of something; a report is what somebody waits for.
    """
    site = view.site
    call = view.call
    near = " ".join(
        [site.called.replace("report_", ""), *([] if call is None else _short(call.strings)), *_named(call)]
    )
    texts = [near]
    if view.root is not None:
        texts.append(" ".join(_short([text for each in view.root.calls for text in each.strings])))
        texts.append(" ".join([view.root.docstring.split("\n")[0], *_subjects(view.root)]))
    if site.func is not None:
        texts.append(" ".join([site.func.name, *(route.path for route, _ in view.routes)]))
    for text in texts:
        courtesy = has_word(text, COURTESY)
        waited = has_word(text, WAITED)
        if waited and not (
            courtesy and waited in ("subscribe", "request", "requests", "code", "contact", "action")
        ):
            return "waited", waited
        if courtesy:
            return "courtesy", courtesy
    return "unknown", ""


def _short(texts: list[str]) -> list[str]:
    """Subjects and names of templates; bodies of mails have words of every kind."""
    return [text for text in texts if len(text) <= _LONGEST]


def _named(call: Call | None) -> list[str]:
    """What is passed under a name that says what it is."""
    if call is None:
        return []
    told = [k.arg for k in call.keywords if k.arg]
    return [each for each in told if each not in ("recipient", "email", "to", "context", "request")]


def _subjects(body: Body) -> list[str]:
    import ast

    found: list[str] = []
    for node in body.of(ast.Assign):
        match node:
            case ast.Assign(value=ast.Constant(value=str(text))) if len(text) <= _LONGEST:
                found.append(text)
            case _:
                continue
    return found
