"""TL101: the task writes to a database."""

from __future__ import annotations

import ast
import re

from twolane.check.body import Call
from twolane.check.rule import Rule, shown

_ALWAYS = frozenset(
    [
        "commit",
        "add_all",
        "bulk_save_objects",
        "bulk_insert_mappings",
        "bulk_update_mappings",
        "bulk_create",
        "bulk_update",
        "insert_one",
        "insert_many",
        "update_one",
        "update_many",
        "replace_one",
        "delete_one",
        "delete_many",
        "find_one_and_update",
        "find_one_and_replace",
        "find_one_and_delete",
        "bulk_write",
        "upsert",
        "executemany",
        "execute_many",
        "insert_or_update",
        "update_or_create",
        "get_or_create",
        "create_many",
        "add_documents",
        "add_texts",
        "upsert_documents",
        "put_item",
        "update_item",
        "delete_item",
        "batch_write_item",
        "set_document",
        "aadd_documents",
        "add_points",
        "bulk_upsert",
        "save_all",
        "insert_all",
    ]
)
_STORES = frozenset(
    [
        "session",
        "db",
        "database",
        "conn",
        "connection",
        "cursor",
        "repo",
        "repository",
        "repositories",
        "crud",
        "dao",
        "store",
        "collection",
        "table",
        "prisma",
        "uow",
        "mongo",
        "mongodb",
        "supabase",
        "postgres",
        "pg",
        "sql",
        "orm",
        "queryset",
        "objects",
        "model",
        "models",
        "storage",
        "record",
        "records",
        "tx",
        "transaction",
        "firestore",
        "dynamodb",
        "dynamo",
        "vectorstore",
        "vectordb",
        "vectors",
        "index",
        "qdrant",
        "pinecone",
        "weaviate",
        "milvus",
        "chroma",
        "neo4j",
        "graph",
        "elasticsearch",
        "es",
        "opensearch",
        "service",
        "services",
        "manager",
    ]
)
_VERBS = frozenset(
    [
        "add",
        "create",
        "insert",
        "update",
        "delete",
        "save",
        "upsert",
        "store",
        "persist",
        "remove",
        "set",
        "mark",
        "put",
        "write",
        "merge",
        "replace",
        "patch",
        "append",
        "increment",
        "decrement",
        "finish",
        "complete",
        "fail",
        "assign",
        "soft",
        "hard",
        "bulk",
        "archive",
        "restore",
        "register",
        "ingest",
    ]
)
_SQL = re.compile(
    r"^\s*(insert|update|delete|merge|replace|alter|truncate|drop|create|call)\b", re.IGNORECASE
)
_CHAINED = frozenset(["query", "filter", "filter_by", "where", "table", "objects", "select", "find", "from_"])
_BY_ITSELF = frozenset(["save", "insert", "delete", "update"])
_NOT_ROWS = frozenset(
    [
        "cache",
        "redis",
        "file",
        "files",
        "path",
        "os",
        "shutil",
        "set",
        "env",
        "headers",
        "cookies",
        "response",
        "state",
        "config",
    ]
)


def _write(call: Call) -> str | None:
    if call.local or call.receiver & _NOT_ROWS:
        return None
    if call.name in _ALWAYS and "." in call.text:
        return _said(call)
    if call.name in (
        "execute",
        "exec",
        "scalar",
        "scalars",
        "run",
        "fetch",
        "fetchval",
        "fetchrow",
        "text",
        "raw",
    ):
        return _said(call) if _is_writing_sql(call) else None
    if not isinstance(call.func, ast.Attribute):
        return None
    if call.verb in _VERBS and (call.receiver & _STORES or _is_chained(call)):
        return _said(call)
    if call.name in _BY_ITSELF and _is_row(call):
        return _said(call)
    return None


def _said(call: Call) -> str:
    return f"writes to the database: {shown(call.node)}"


def _is_writing_sql(call: Call) -> bool:
    for node in (*call.args, *(k.value for k in call.keywords)):
        for each in ast.walk(node):
            match each:
                case ast.Constant(value=str(text)) if _SQL.match(text):
                    return True
                case ast.Call(func=ast.Name(id="insert" | "update" | "delete")):
                    return True
                case ast.Call(func=ast.Attribute(attr="insert" | "update" | "delete", value=of)):
                    return not isinstance(of, ast.Constant)
                case _:
                    continue
    return False


def _is_chained(call: Call) -> bool:
    return any(f"{each}()" in call.text for each in _CHAINED)


def _is_row(call: Call) -> bool:
    """`await user.save()`: a row that saves itself; `image.save(path)` is not one."""
    return (
        call.name in ("save", "delete")
        and not call.args
        and not call.receiver & {"image", "img", "figure", "fig"}
    )


RULE = Rule(
    code="TL101",
    title="writes to a database",
    says="queue",
    weight=3,
    reason=(
        "A row that is written after the response exists only if the process lives long enough. The caller was told "
        "that all went well, and nobody writes the row again: money, orders and imports are left half done. Writes "
        "to a log, a trace or a cache are told apart (TL204, TL210)."
    ),
    bad="""
def book(order_id: int, db: Session) -> None:
    order = db.get(Order, order_id)
    order.invoice = make_invoice(order)
    db.commit()

@app.post("/orders/{order_id}/invoice")
def invoice(order_id: int, background_tasks: BackgroundTasks):
    background_tasks.add_task(book, order_id, SessionLocal())
""",
    good="""
@tasks.task(if_lost="alert", because="an order without its invoice is found by nobody")
def book(order_id: int, db: Session = Depends(get_db)) -> None:
    order = db.get(Order, order_id)
    order.invoice = make_invoice(order)
    db.commit()

@app.post("/orders/{order_id}/invoice")
def invoice(order_id: int, lanes: Lanes):
    lanes.add_task(book, order_id)
""",
    of_call=_write,
)
