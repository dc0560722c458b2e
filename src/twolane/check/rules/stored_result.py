"""TL110: the task stores a result outside of the process."""

from __future__ import annotations

import ast

from twolane.check.body import Call
from twolane.check.rule import Rule, shown

_OBJECTS = frozenset(
    [
        "upload_file",
        "upload_fileobj",
        "put_object",
        "fput_object",
        "upload_blob",
        "upload_from_string",
        "upload_from_file",
        "upload_from_filename",
        "copy_object",
        "put_file",
        "upload_bytes",
        "upload_to_s3",
        "upload_file_to_s3",
        "multipart_upload",
    ]
)
_FILES = frozenset(
    [
        "write_text",
        "write_bytes",
        "to_csv",
        "to_excel",
        "to_parquet",
        "to_json",
        "to_sql",
        "savefig",
        "savez",
        "imwrite",
    ]
)
_MOVES = frozenset(["shutil.copy", "shutil.copyfile", "shutil.copytree", "shutil.copy2", "shutil.move", "os.rename", "os.replace", "shutil.make_archive", "shutil.unpack_archive", "urllib.request.urlretrieve"])  # fmt: skip


def _stores(call: Call) -> str | None:
    if call.name in _OBJECTS and (not call.words & {"to"} or not call.makes):
        return f"stores a result: {shown(call.node)}"
    if call.name in _FILES or call.outside in _MOVES:
        return f"writes a file: {shown(call.node)}"
    if call.outside in ("open", "io.open", "aiofiles.open", "pathlib.Path.open") and _writes(call):
        return f"writes a file: {shown(call.node)}"
    return None


def _writes(call: Call) -> bool:
    modes = [*call.args[1:2], *(k.value for k in call.keywords if k.arg == "mode")]
    return any(isinstance(mode, ast.Constant) and set("wax+") & set(str(mode.value)) for mode in modes)


RULE = Rule(
    code="TL110",
    title="stores a result",
    says="queue",
    weight=3,
    reason=(
        "A file, an object in a bucket, a report: somebody will come to fetch it. A task that dies half-way leaves no "
        "file, or half of one, and nothing tries again."
    ),
    bad="""
def export(customer_id: int) -> None:
    rows = collect(customer_id)
    s3.put_object(Bucket="exports", Key=f"{customer_id}.csv", Body=rows)

@app.post("/customers/{customer_id}/export")
def start(customer_id: int, background_tasks: BackgroundTasks):
    background_tasks.add_task(export, customer_id)
""",
    good="""
@tasks.task(if_lost="alert", because="the customer waits for the file")
def export(customer_id: int) -> None:
    rows = collect(customer_id)
    s3.put_object(Bucket="exports", Key=f"{customer_id}.csv", Body=rows)

@app.post("/customers/{customer_id}/export")
def start(customer_id: int, lanes: Lanes):
    return lanes.add_task(export, customer_id)
""",
    of_call=_stores,
)
