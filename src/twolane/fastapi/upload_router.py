"""`tasks.upload_router()`: where clients post their files while blobs are files of this machine.

On S3 the form of `lanes.upload_form` names the bucket, and nobody comes here. The code of an app is the same for both.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

from fastapi import APIRouter, HTTPException, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from twolane.values.errors import BlobError, BlobTooLarge, UploadRefused
from twolane.wiring.installed import Installed

UPLOAD_NAME = "twolane_upload"
FRAMING_BYTES = 64 * 1024
"""How much longer than its file a form may be."""


def upload_router(tasks: Installed) -> APIRouter:
    """The route; see `Tasks.upload_router`."""
    router = APIRouter()

    async def upload(request: Request, token: str) -> Response:
        """Take the file of one form."""
        forms = tasks.runtime.upload_forms
        try:
            promise = forms.promised(token)
        except UploadRefused as error:
            raise HTTPException(403, str(error)) from None
        file = await _file_of(request, promise.max_bytes)
        try:
            await run_in_threadpool(forms.take, promise, file.file)
        except BlobTooLarge as error:
            raise HTTPException(413, str(error)) from None
        except BlobError as error:
            raise HTTPException(503, "the file cannot be stored at the moment") from error
        finally:
            await file.close()
        return Response(status_code=204)

    router.add_api_route(
        "/{token}",
        upload,
        methods=["POST"],
        name=UPLOAD_NAME,
        status_code=204,
        response_class=Response,
        summary="The file of an upload form",
    )
    return router


async def _file_of(request: Request, max_bytes: int) -> UploadFile:
    """The file of a multipart form; none is read further than it may be long.

    Raises:
        HTTPException: 413; 400, there is none.
    """

    async def counted() -> AsyncGenerator[bytes]:
        came = 0
        async for chunk in request.stream():
            came += len(chunk)
            if came > max_bytes + FRAMING_BYTES:
                raise HTTPException(
                    413, f"the file is larger than the {max_bytes} bytes that its form allows"
                )
            yield chunk

    try:
        form: Any = await MultiPartParser(request.headers, counted(), max_files=1).parse()
    except (MultiPartException, KeyError) as error:
        raise HTTPException(400, f"this is no multipart form with one file: {error}") from None
    file = form.get("file")
    if not isinstance(file, UploadFile):
        raise HTTPException(400, "the form has no field `file`")
    return file
