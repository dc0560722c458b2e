"""FastAPI's own dependencies in tasks of the queue lane, from the definition to the end of an attempt."""

import asyncio
import contextvars
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from functools import partial, wraps
from typing import Annotated, Any

import pytest
from fastapi import Depends, FastAPI
from fastapi.testclient import TestClient

from twolane import DefinitionError, GiveUp, Lanes, RetryLater, TaskContext, Tasks, given
from twolane.fastapi.lanes import RequestLanes
from twolane.testing import Delivered, Inbox, open_inbox
from twolane.values.record import State

Run = Callable[..., Delivered]
current = contextvars.ContextVar("current", default="nothing")


@pytest.fixture
def tasks() -> Tasks:
    return Tasks()


@pytest.fixture
def app(tasks: Tasks) -> FastAPI:
    app = FastAPI()
    tasks.install(app)
    return app


@pytest.fixture
def inbox(tasks: Tasks) -> Iterator[Inbox]:
    with open_inbox(tasks) as inbox:
        yield inbox


@pytest.fixture
def run(tasks: Tasks, inbox: Inbox) -> Run:
    """Send a task and run one attempt of it."""

    def run(task: Any, *args: Any, **kwargs: Any) -> Delivered:
        tasks.send_blocking(task, *args, **kwargs)
        (delivered,) = inbox.drain()
        return delivered

    return run


@pytest.fixture
def told() -> list[Any]:
    return []


def queued(tasks: Tasks, **options: Any) -> Any:
    return tasks.task(if_lost="alert", **options)


class Repository:
    def __init__(self, name: Annotated[str, Depends(lambda: "flights")]) -> None:
        self.name = name


class Counter:
    """A dependency that is an object."""

    def __init__(self) -> None:
        self.calls = 0

    async def __call__(self) -> int:
        self.calls += 1
        return self.calls


class Opened:
    def __call__(self) -> Iterator[str]:
        yield "opened"


def sync() -> str:
    return f"sync in {threading.current_thread().name.rpartition('-')[0]}"


async def coroutine() -> str:
    return "async"


def generator() -> Iterator[str]:
    yield "generator"


async def async_generator() -> AsyncIterator[str]:
    yield "async generator"


def decorated(fn: Any) -> Any:
    @wraps(fn)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return fn(*args, **kwargs)

    return wrapper


class TestValues:
    @pytest.mark.parametrize(
        ("dependency", "value"),
        [
            (sync, "sync in twolane-dependency"),
            (coroutine, "async"),
            (generator, "generator"),
            (async_generator, "async generator"),
            (Opened(), "opened"),
            (partial(coroutine), "async"),
            (partial(async_generator), "async generator"),
            (decorated(async_generator), "async generator"),
            (decorated(coroutine), "async"),
            (lambda: "lambda", "lambda"),
        ],
    )
    @pytest.mark.parametrize("is_async", [True, False])
    def test_of_every_kind_of_dependency(
        self, tasks: Tasks, run: Run, dependency: Any, value: str, is_async: bool
    ) -> None:
        def sync_task(number: int, found: str = Depends(dependency)) -> list[Any]:
            return [number, found]

        async def async_task(number: int, found: str = Depends(dependency)) -> list[Any]:
            return [number, found]

        task = queued(tasks)(async_task if is_async else sync_task)
        assert run(task, 7).result == [7, value]

    def test_in_each_way_of_asking(self, tasks: Tasks, run: Run) -> None:
        @queued(tasks)
        def task(
            number: int,
            a: Annotated[str, Depends(coroutine)],
            b: Annotated[str, Depends(sync), "a remark"] = given,
            *,
            c: Annotated[Repository, Depends()],
            d: Repository = Depends(),
            e: int = 5,
        ) -> list[Any]:
            return [number, a, b[:4], c.name, d.name, e]

        assert run(task, 7).result == [7, "async", "sync", "flights", "flights", 5]
        assert run(task, number=7, e=6).result[-1] == 6

    def test_beside_the_context(self, tasks: Tasks, run: Run) -> None:
        @queued(tasks)
        def task(ctx: TaskContext, number: int, found: str = Depends(coroutine)) -> list[Any]:
            return [ctx.attempt, number, found]

        assert run(task, 7).result == [1, 7, "async"]

    def test_where_annotations_are_text(self, tasks: Tasks, run: Run) -> None:
        names: dict[str, Any] = {"__name__": __name__, "coroutine": coroutine}
        exec(  # noqa: S102
            "from __future__ import annotations\n"
            "from typing import Annotated\n"
            "from fastapi import Depends\n"
            "from twolane import Lanes, TaskContext, given\n"
            "def task(ctx: TaskContext, found: Annotated[str, Depends(coroutine)] = given,\n"
            "         lanes: Lanes = given) -> str:\n"
            "    return found\n",
            names,
        )
        assert run(queued(tasks)(names["task"])).result == "async"

    def test_are_made_once_an_attempt_unless_told_otherwise(self, tasks: Tasks, run: Run) -> None:
        counter = Counter()

        def nested(count: int = Depends(counter)) -> int:
            return count

        @queued(tasks)
        def task(
            a: int = Depends(counter), b: int = Depends(nested), c: int = Depends(counter, use_cache=False)
        ) -> list[int]:
            return [a, b, c]

        assert run(task).result == [1, 1, 2]
        assert run(task).result == [3, 3, 4]

    def test_the_overrides_of_the_app_hold(self, tasks: Tasks, app: FastAPI, run: Run) -> None:
        async def two() -> int:
            return 2

        async def fake(number: Annotated[int, Depends(two)], ctx: TaskContext) -> AsyncIterator[str]:
            yield f"fake {number} of attempt {ctx.attempt}"

        def nested(found: str = Depends(coroutine)) -> str:
            return found

        @queued(tasks)
        def task(found: str = Depends(nested)) -> str:
            return found

        app.dependency_overrides[coroutine] = fake
        assert run(task).result == "fake 2 of attempt 1"
        app.dependency_overrides.clear()
        assert run(task).result == "async"

    def test_an_override_that_needs_a_request_fails_the_attempt(
        self, tasks: Tasks, app: FastAPI, run: Run
    ) -> None:
        def fake(page: int) -> int:
            return page

        @queued(tasks)
        def task(found: str = Depends(coroutine)) -> None: ...

        app.dependency_overrides[coroutine] = fake
        failure = run(task).failure
        assert failure is not None
        assert failure.error_type == "DefinitionError"
        assert "fake (which overrides coroutine) has a parameter `page: int`" in failure.message

    def test_a_dependency_may_ask_for_the_attempts_context(self, tasks: Tasks, run: Run) -> None:
        def whose(attempt: TaskContext) -> str:
            attempt.checkpoint("from a dependency")
            return attempt.id

        @queued(tasks)
        async def task(ctx: TaskContext, found: str = Depends(whose)) -> list[Any]:
            return [found == ctx.id, ctx.cursor]

        delivered = run(task)
        assert delivered.result == [True, "from a dependency"]
        assert delivered.record.cursor == "from a dependency"

    @pytest.mark.parametrize("is_async", [True, False])
    def test_context_variables_are_seen_where_an_endpoint_sees_them(
        self, tasks: Tasks, run: Run, is_async: bool
    ) -> None:
        async def in_the_loop() -> None:
            current.set("in the loop")

        def in_a_thread() -> None:
            current.set("in a thread")

        def token() -> Iterator[None]:
            token = current.set("in a generator")
            yield
            current.reset(token)  # raises in another context than the one it was set in

        def sync_task(
            a: None = Depends(in_the_loop), b: None = Depends(in_a_thread), c: None = Depends(token)
        ) -> str:
            return current.get()

        async def async_task(
            a: None = Depends(in_the_loop), b: None = Depends(in_a_thread), c: None = Depends(token)
        ) -> str:
            return current.get()

        delivered = run(queued(tasks)(async_task if is_async else sync_task))
        assert delivered.result == "in the loop"

    def test_a_limit_of_newer_fastapi_holds(self, tasks: Tasks, inbox: Inbox) -> None:
        try:
            limited = Depends(generator, max_concurrency=1)  # type: ignore[call-arg, unused-ignore]
        except TypeError:
            limited = Depends(generator)  # this FastAPI has none

        @queued(tasks)
        def task(found: str = limited) -> str:
            return found

        for _ in range(2):
            tasks.send_blocking(task)
        assert [each.result for each in inbox.drain(check=True)] == ["generator", "generator"]


class TestTheAppsState:
    @pytest.fixture
    def app(self, tasks: Tasks) -> FastAPI:
        @asynccontextmanager
        async def lifespan(_: FastAPI) -> AsyncGenerator[dict[str, Any]]:
            yield {"pool": "the pool"}

        app = FastAPI(lifespan=lifespan)
        tasks.install(app)
        return app

    def test_what_the_lifespan_yielded_is_there(self, tasks: Tasks, app: FastAPI, inbox: Inbox) -> None:
        def pool(ctx: TaskContext) -> str:
            ctx.state.seen = "by the dependency"
            return str(ctx.state.pool)

        @queued(tasks)
        def task(ctx: TaskContext, found: str = Depends(pool)) -> list[str]:
            return [found, ctx.state.seen]

        @queued(tasks)
        async def plain(ctx: TaskContext) -> list[Any]:
            return [ctx.state.pool, hasattr(ctx.state, "seen")]

        with TestClient(app):
            tasks.send_blocking(task)
            tasks.send_blocking(plain)
            results = [each.result for each in inbox.drain(check=True)]
        assert results == [["the pool", "by the dependency"], ["the pool", False]]

    def test_without_a_lifespan_it_is_empty(self, tasks: Tasks, app: FastAPI, run: Run) -> None:
        @queued(tasks)
        def task(ctx: TaskContext) -> bool:
            return hasattr(ctx.state, "pool")

        with TestClient(app):
            pass
        assert run(task).result is False

    def test_tasks_run_on_the_loop_of_the_lifespan(self, tasks: Tasks, run: Run) -> None:
        loops: list[Any] = []

        @asynccontextmanager
        async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
            loops.append(asyncio.get_running_loop())
            yield

        async def where() -> None:
            loops.append(asyncio.get_running_loop())

        @queued(tasks)
        def task(found: None = Depends(where)) -> None: ...

        app = FastAPI(lifespan=lifespan)
        tasks.install(app)
        with TestClient(app):
            run(task)
        assert loops[0] is loops[1]


class TestEnds:
    def test_the_last_one_entered_is_closed_first_and_all_before_the_ack(
        self, tasks: Tasks, inbox: Inbox, told: list[Any]
    ) -> None:
        def outer() -> Iterator[str]:
            told.append("outer opens")
            yield "outer"
            told.append("outer closes")

        async def inner(name: Annotated[str, Depends(outer, scope="request")]) -> AsyncIterator[str]:
            told.append(f"inner opens in {name}")
            yield "inner"
            told.append("inner closes")

        @queued(tasks)
        def task(found: str = Depends(inner, scope="function")) -> None:
            told.append(f"runs with {found}")

        inbox.runtime.observer = lambda step, delivery: told.append(step)
        tasks.send_blocking(task)
        inbox.drain(check=True)
        assert told == [
            "read", "call", "outer opens", "inner opens in outer", "runs with inner", "inner closes", "outer closes",
        ]  # fmt: skip

    @pytest.mark.parametrize("is_async", [True, False])
    def test_each_attempt_has_its_own(
        self, tasks: Tasks, inbox: Inbox, told: list[Any], is_async: bool
    ) -> None:
        def opened() -> Iterator[object]:
            session = object()
            told.append(session)
            yield session

        def sync_task(ctx: TaskContext, session: object = Depends(opened)) -> None:
            if ctx.attempt == 1:
                raise ValueError("the first time")
            assert session is told[-1]

        async def async_task(ctx: TaskContext, session: object = Depends(opened)) -> None:
            sync_task(ctx, session)

        task = queued(tasks)(async_task if is_async else sync_task)
        tasks.send_blocking(task)
        assert [each.state for each in inbox.drain()] == [State.WAITING]
        inbox.clock.advance(60)
        assert [each.state for each in inbox.drain()] == [State.DONE]
        assert len(set(map(id, told))) == 2

    @pytest.mark.parametrize("dependency", ["sync", "async"])
    def test_one_that_fails_as_it_closes_fails_the_attempt(
        self, tasks: Tasks, run: Run, dependency: str
    ) -> None:
        def commits() -> Iterator[None]:
            yield
            raise OSError("the commit failed")

        async def commits_async() -> AsyncIterator[None]:
            yield
            raise OSError("the commit failed")

        @queued(tasks)
        def task(found: None = Depends(commits if dependency == "sync" else commits_async)) -> str:
            return "a result"

        delivered = run(task)
        assert delivered.state is State.WAITING
        assert delivered.failure is not None
        assert delivered.failure.message == "the commit failed"
        assert "in commits" in delivered.failure.traceback
        assert "calling.py" not in delivered.failure.traceback

    @pytest.mark.parametrize("is_async", [True, False])
    @pytest.mark.parametrize("dependency", ["sync", "async"])
    def test_the_exception_of_the_task_is_thrown_into_them(
        self, tasks: Tasks, run: Run, told: list[Any], dependency: str, is_async: bool
    ) -> None:
        def session() -> Iterator[None]:
            try:
                yield
            except KeyError as error:
                told.append(error.args[0])
                raise

        async def session_async() -> AsyncIterator[None]:
            with pytest.raises(KeyError) as raised:
                yield
            told.append(raised.value.args[0])
            raise raised.value

        used = session if dependency == "sync" else session_async

        def sync_task(found: None = Depends(used)) -> None:
            raise KeyError("of the task")

        async def async_task(found: None = Depends(used)) -> None:
            raise KeyError("of the task")

        delivered = run(queued(tasks)(async_task if is_async else sync_task))
        assert told == ["of the task"]
        assert delivered.failure is not None
        assert delivered.failure.error_type == "KeyError"

    @pytest.mark.parametrize(
        ("error", "state", "reason"),
        [
            (ValueError("bad"), State.WAITING, None),
            (GiveUp("hopeless", public="Sorry."), State.DEAD, "gave_up"),
            (RetryLater(30), State.WAITING, None),
            (SystemExit(3), State.WAITING, None),
        ],
    )
    @pytest.mark.parametrize("dependency", ["sync", "async"])
    @pytest.mark.parametrize("is_async", [True, False])
    def test_one_that_swallows_it_changes_nothing(
        self,
        tasks: Tasks,
        run: Run,
        error: BaseException,
        state: State,
        reason: str | None,
        dependency: str,
        is_async: bool,
    ) -> None:
        def swallows() -> Iterator[None]:
            with suppress(BaseException):
                yield

        async def swallows_async() -> AsyncIterator[None]:
            with suppress(BaseException):
                yield

        used = swallows if dependency == "sync" else swallows_async

        def sync_task(found: None = Depends(used)) -> None:
            raise error

        async def async_task(found: None = Depends(used)) -> None:
            raise error

        record = run(queued(tasks)(async_task if is_async else sync_task)).record
        assert (record.state, record.reason) == (state, reason)

    @pytest.mark.parametrize("when", ["open", "close", "instead"])
    @pytest.mark.parametrize("verdict", [GiveUp("no such customer"), RetryLater(30, "locked")])
    def test_a_dependency_may_say_what_becomes_of_it(
        self, tasks: Tasks, run: Run, when: str, verdict: Exception
    ) -> None:
        def judge() -> Iterator[None]:
            if when == "open":
                raise verdict
            try:
                yield
            except ValueError:
                raise verdict from None
            raise verdict

        @queued(tasks)
        def task(found: None = Depends(judge)) -> None:
            if when == "instead":
                raise ValueError("turned into a verdict")

        record = run(task).record
        if isinstance(verdict, GiveUp):
            assert (record.state, record.reason) == (State.DEAD, "gave_up")
        else:
            assert record.state is State.WAITING
            assert record.started_at is not None
            assert (record.visible_at - record.started_at).total_seconds() == 30

    def test_what_was_opened_is_closed_where_the_next_cannot_be(
        self, tasks: Tasks, run: Run, told: list[Any]
    ) -> None:
        def first() -> Iterator[None]:
            try:
                yield
            finally:
                told.append("closed")

        def second() -> None:
            raise OSError("no connection")

        @queued(tasks)
        def task(a: None = Depends(first), b: None = Depends(second)) -> None:
            told.append("ran")

        assert run(task).state is State.WAITING
        assert told == ["closed"]


class TestDefinitions:
    def test_filled_parameters_are_no_part_of_the_message(self, tasks: Tasks, inbox: Inbox) -> None:
        @queued(tasks, unique_key="{number}")
        def task(number: int, found: str = Depends(coroutine), lanes: Lanes = given) -> None: ...

        assert task.arguments.names == ("number",)
        tasks.send_blocking(task, 7)
        assert inbox.sent(task)[0].args == {"number": 7}

    def test_a_send_cannot_fill_them(self, tasks: Tasks, inbox: Inbox) -> None:
        @queued(tasks)
        def task(number: int, found: str = Depends(coroutine), more: int = 0) -> int:
            return more

        with pytest.raises(ValueError, match="`found` is filled by the worker, and never sent"):
            tasks.send_blocking(task, 7, found="mine")
        with pytest.raises(
            ValueError, match="takes 1 positional"
        ):  # `more` would be `found` in a call as written
            tasks.send_blocking(task, 7, 8)
        tasks.send_blocking(task, 7, more=8)
        assert inbox.drain(check=True)[0].result == 8

    def test_a_direct_call_has_the_signature_as_written(self, tasks: Tasks) -> None:
        @queued(tasks)
        def task(number: int, found: Annotated[str, Depends(coroutine)] = given) -> Any:
            return found

        assert task(7, "mine") == "mine"
        assert task(7) is given
        with pytest.raises(AttributeError, match=r"`upper` of a parameter that only the worker fills"):
            task(7).upper()

    def test_given_by_what_must_be_said(self, tasks: Tasks) -> None:
        def task(session: str = given) -> None: ...

        with pytest.raises(
            DefinitionError, match=r"`session: str` is to be given, and its type does not say by"
        ):
            queued(tasks, name="t")(task)

    def test_a_name_that_only_type_checkers_know_is_refused(self, tasks: Tasks) -> None:
        def task(session: "Annotated[str, Unknown]" = given) -> None: ...  # type: ignore[name-defined] # noqa: F821

        with pytest.raises(DefinitionError, match="not under TYPE_CHECKING"):
            queued(tasks, name="t")(task)

    def test_they_are_filled_by_name(self, tasks: Tasks) -> None:
        def task(found: str = Depends(coroutine), /) -> None: ...

        with pytest.raises(DefinitionError, match="`found` is filled by name, so it stands behind the `/`"):
            queued(tasks, name="t")(task)

    @pytest.mark.parametrize("how", ["default", "annotated", "lanes"])
    def test_the_background_lane_has_none(self, tasks: Tasks, how: str) -> None:
        def default(found: str = Depends(coroutine)) -> None: ...

        def annotated(found: Annotated[str, Depends(coroutine)]) -> None: ...

        def lanes(found: Lanes) -> None: ...

        task = {"default": default, "annotated": annotated, "lanes": lanes}[how]
        with pytest.raises(
            DefinitionError, match=r'if_lost="ignore": nobody fills `found`, since its call is bound'
        ):
            tasks.task(if_lost="ignore", name="t")(task)

    def test_a_dependency_of_a_task_may_be_one_of_an_endpoint(
        self, tasks: Tasks, app: FastAPI, run: Run
    ) -> None:
        def shared(lanes: Lanes = given, found: Annotated[str, Depends(coroutine)] = given) -> str:
            return f"{found} {type(lanes).__name__}"

        @queued(tasks)
        def task(found: str = Depends(shared)) -> str:
            return found

        @app.get("/")
        def endpoint(found: Annotated[str, Depends(shared)]) -> str:
            return found

        assert run(task).result == TestClient(app).get("/").json() == "async RequestLanes"

    def test_lanes_may_be_keyword_only_without_a_default(self, tasks: Tasks, run: Run) -> None:
        @queued(tasks)
        def task(number: int, *, lanes: Lanes) -> bool:
            return isinstance(lanes, RequestLanes)

        assert run(task, 7).result is True
