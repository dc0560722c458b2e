"""What tokens are sealed with: said by a setting, or, where blobs are files of one machine, kept beside them."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path

from twolane.values.errors import SettingsError
from twolane.wiring.settings import Settings


def secret_of(settings: Settings) -> bytes:
    """The secret; made at first use where it is a file's.

    Raises:
        SettingsError: it must be set, or the file cannot be read.
    """
    if settings.secret is not None:
        return settings.secret.encode()
    if not isinstance(settings.blobs, Path):
        raise SettingsError(
            "uploads that go straight to S3 are confirmed with a token, and each process must be able to check "
            "it: set TWOLANE_SECRET, the same for all, to 32 random characters or more"
        )
    try:
        return _of_file(settings.blobs / "secret")
    except OSError as error:
        raise SettingsError(f"the secret of uploads cannot be kept in {settings.blobs}: {error}") from None


def _of_file(file: Path) -> bytes:
    """Of processes that come at once one makes it: it is linked to its name whole, or not at all."""
    with suppress(FileNotFoundError):
        return file.read_bytes()
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = file.with_name(f"secret-{secrets.token_hex(8)}")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as writer:
            writer.write(secrets.token_hex(32))
            writer.flush()
            os.fsync(writer.fileno())
        with suppress(FileExistsError):
            os.link(draft, file)
    finally:
        draft.unlink(missing_ok=True)
    return file.read_bytes()
