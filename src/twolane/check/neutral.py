"""Calls that change nothing that outlives the process: reading, computing, formatting. Neither side takes them as evidence."""

from __future__ import annotations

import ast
import builtins

from twolane.check.body import Call
from twolane.check.refs import Cls, Func
from twolane.check.words import dotted, words

_IMPURE_BUILTINS = frozenset(["exec", "eval", "open", "input", "compile", "__import__", "breakpoint"])
_BUILTINS = frozenset(dir(builtins)) - _IMPURE_BUILTINS
_PURE = (
    "json.", "re.", "math.", "datetime.", "time.", "uuid.", "random.", "collections.", "itertools.", "functools.", "hashlib.",
    "base64.", "typing.", "os.path.", "os.environ", "os.getenv", "os.getpid", "os.listdir", "os.walk", "os.stat", "os.lstat", "os.scandir", "os.readlink", "os.fspath", "logging.",
    "copy.", "string.", "textwrap.", "enum.", "dataclasses.", "decimal.", "urllib.parse.", "traceback.", "inspect.", "io.",
    "contextlib.", "secrets.", "zlib.", "gzip.", "statistics.", "operator.", "platform.", "mimetypes.", "html.", "hmac.",
    "asyncio.gather", "asyncio.wait", "asyncio.Lock", "asyncio.Event", "asyncio.Semaphore", "asyncio.get", "asyncio.timeout",
    "asyncio.iscoroutine", "asyncio.run", "asyncio.new_event_loop", "asyncio.to_thread", "asyncio.set_event_loop", "asyncio.current_task",
    "threading.", "pathlib.Path", "pydantic.", "fastapi.", "starlette.", "typing_extensions.", "email.", "jinja2.", "pytz.",
    "zoneinfo.", "dateutil.", "bs4.", "lxml.", "numpy.", "pandas.", "yaml.", "markdown.", "sys.", "types.", "weakref.",
    "importlib.metadata.", "importlib.resources.", "sqlalchemy.select", "sqlalchemy.func", "sqlalchemy.text", "sqlalchemy.create_engine", "sqlmodel.select", "requests.get",
    "httpx.get", "os.makedirs", "os.mkdir", "os.access", "fnmatch.", "glob.", "abc.", "struct.", "contextvars.", "tempfile.", "ssl.",
    "opentelemetry.", "premailer.", "fastapi_mail.MessageSchema", "fastapi_mail.ConnectionConfig",
)  # fmt: skip
_READS = frozenset(
    [
        "get",
        "find",
        "list",
        "read",
        "fetch",
        "load",
        "select",
        "query",
        "filter",
        "count",
        "exists",
        "is",
        "has",
        "to",
        "as",
        "from",
        "parse",
        "format",
        "build",
        "make",
        "render",
        "check",
        "validate",
        "compute",
        "calculate",
        "describe",
        "show",
        "search",
        "lookup",
        "resolve",
        "scan",
        "iter",
        "stat",
        "decode",
        "loads",
        "dumps",
        "dump",
        "dict",
        "json",
        "items",
        "keys",
        "values",
        "all",
        "any",
        "first",
        "last",
        "one",
        "scalar",
        "scalars",
        "scalar_one",
        "scalar_one_or_none",
        "one_or_none",
        "unique",
        "where",
        "order",
        "join",
        "options",
        "limit",
        "offset",
        "group",
        "having",
        "distinct",
        "with",
        "model",
        "schema",
        "serialize",
        "deserialize",
        "convert",
        "normalize",
        "strip",
        "lower",
        "upper",
        "split",
        "replace",
        "startswith",
        "endswith",
        "encode",
        "append",
        "extend",
        "add",
        "remove",
        "discard",
        "pop",
        "popleft",
        "copy",
        "sort",
        "reverse",
        "index",
        "insert",
        "setdefault",
        "title",
        "isoformat",
        "total",
        "strftime",
        "strptime",
        "timestamp",
        "now",
        "utcnow",
        "exec_driver",
        "refresh",
        "expunge",
        "rollback",
        "begin",
        "connect",
        "cursor",
        "acquire",
        "session",
        "raise_for_status",
        "raise",
        "astimezone",
        "date",
        "time",
        "hexdigest",
        "digest",
        "match",
        "sub",
        "group",
        "findall",
        "fullmatch",
        "partition",
        "rpartition",
        "capitalize",
        "zfill",
        "rstrip",
        "lstrip",
        "splitlines",
        "isdigit",
        "isalpha",
        "getattr",
        "bind",
        "enter",
        "exit",
        "debug",
        "info",
        "warning",
        "error",
        "exception",
        "can",
        "should",
        "must",
        "may",
        "sum",
        "min",
        "max",
        "sorted",
        "len",
        "range",
        "enumerate",
        "zip",
        "map",
        "stream",
        "receive",
        "recv",
        "next",
        "peek",
        "size",
        "tell",
        "seek",
        "use",
        "wait",
        "cast",
        "coalesce",
        "in_",
        "notin_",
        "like",
        "ilike",
        "asc",
        "desc",
        "selectinload",
        "joinedload",
        "outerjoin",
        "subquery",
        "label",
        "between",
        "desc",
        "returning",
        "lock",
        "locked",
        "aiter",
        "anext",
        "params",
        "text",
        "url",
        "path",
        "name",
        "attach",
        "gather",
        "done",
        "result",
        "ensure",
        "cookies",
        "header",
        "headers",
        "prefetch",
        "outer",
        "not",
        "nor",
        "and",
        "or",
        "split",
        "extract",
        "detect",
    ]
)
_DOES = frozenset(
    [
        "attach", "begin", "bind", "build", "calculate", "compute", "connect", "convert", "copy", "detect", "ensure", "enter", "exit",
        "extract", "join", "load", "lock", "make", "prefetch", "raise", "receive", "refresh", "render", "replace", "stream", "use",
    ]
)  # fmt: skip
"""Verbs of reading and computing that are said of work too: `make_payment`, `render_video`, `join_team`."""
_READS_ANYWAY = frozenset(
    [
        "begin", "begin_nested", "bind", "connect", "copy", "exit", "join", "joinedload", "load_only", "lock", "make_aware",
        "raise_for_status", "refresh", "refresh_from_db", "render", "render_template", "render_to_string", "replace",
    ]
)  # fmt: skip
"""What texts, templates, queries and sessions have."""
_RUNS_SQL = frozenset(["execute", "exec", "run", "raw"])
_READING_SQL = ("select", "with", "show", "explain", "pragma", "match")
_CHANGES = frozenset("add remove insert append appendleft".split())  # noqa: SIM905
_RISKY_ON_STORES = frozenset("add remove append insert replace extend encode extract".split())  # noqa: SIM905


def is_neutral(call: Call) -> bool:
    """Whether a call leaves nothing behind that somebody could miss."""
    if call.makes or isinstance(call.ref, Cls) or call.local:
        return True
    if call.outside:
        if call.outside in _BUILTINS or call.outside.startswith(_PURE):
            return True
        if call.outside.startswith("os.") or call.outside in _IMPURE_BUILTINS:
            return call.outside in ("open", "os.getcwd", "os.cpu_count", "os.urandom")
    if isinstance(call.ref, Func):
        return False
    if call.name in _RUNS_SQL:
        return _reads_rows(call)
    if call.name == "query" and _is_text(call):
        return _reads_rows(call)
    if isinstance(call.func, ast.Attribute):
        if call.verb in _CHANGES and not _is_own(call.func.value, call):
            return False  # `plugin.instance.add(...)`, `WAITING.append(...)`: no list of this function
        return _reads(call.name) or call.name in _READS - _DOES or call.name.startswith("__")
    return isinstance(call.func, ast.Name) and _reads(call.name) and call.verb not in _RISKY_ON_STORES


def _reads(name: str) -> bool:
    """Whether a name says that something is read or computed, and nothing else."""
    verb = next(iter(words(name)), "")
    return verb in _READS and (verb not in _DOES or name in _READS_ANYWAY)


def _is_own(node: ast.expr, call: Call) -> bool:
    """Whether what is changed was made in this function, or in one around it."""
    return isinstance(node, ast.Name) and any(node.id in each.bindings for each in call.scope.functions())


def _is_text(call: Call) -> bool:
    """`graph.query(cypher)`, and not `db.query(Order)`: what a text does may be written anywhere."""
    match call.args:
        case [ast.Name(id=name), *_]:
            return name[:1].islower()
        case [ast.Constant() | ast.JoinedStr() | ast.BinOp(), *_]:
            return True
        case _:
            return False


def _reads_rows(call: Call) -> bool:
    """`execute("select ...")` and `execute(select(...))`."""
    if any(text.lstrip().lower().startswith(_READING_SQL) for text in call.strings):
        return True
    given = (each for node in call.args[:1] for each in ast.walk(node) if isinstance(each, ast.Call))
    return any(dotted(each.func).rpartition(".")[2] in ("select", "exists", "count") for each in given)


def reads_by_name(name: str) -> bool:
    """Whether a name says that a function reads, formats or computes."""
    return _reads(name) and next(iter(words(name)), "") not in _RISKY_ON_STORES
