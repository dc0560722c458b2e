"""Sends mail into a folder: a local sink in place of a mail server."""

from email.message import EmailMessage
from uuid import uuid4

from . import settings


def send(to: str, subject: str, text: str) -> None:
    """Leave a letter in the folder."""
    letter = EmailMessage()
    letter["To"] = to
    letter["Subject"] = subject
    letter.set_content(text)
    settings.MAIL.mkdir(parents=True, exist_ok=True)
    (settings.MAIL / f"{uuid4()}.eml").write_bytes(bytes(letter))
