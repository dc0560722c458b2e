"""The body of a request that a server of ours reads: whole, or the connection is over."""

from __future__ import annotations

from typing import BinaryIO


def read_whole(stream: BinaryIO, size_bytes: int) -> bytes:
    """Read a body.

    Args:
        stream: of the connection.
        size_bytes: so long it is.

    Raises:
        ConnectionResetError: its sender was killed in the middle; a server that takes what came for the whole says yes to
            what nobody has said.
    """
    body = stream.read(size_bytes)
    if len(body) < size_bytes:
        raise ConnectionResetError(f"{len(body)} bytes of {size_bytes} came")
    return body
