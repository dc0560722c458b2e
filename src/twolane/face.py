"""The public `Tasks`: a façade over the engine, the wiring and the doors, each loaded at first use."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Concatenate, Literal, ParamSpec, Protocol, TypeVar, overload

from twolane.engine.context import TaskContext
from twolane.engine.filling import Filling, filled_names
from twolane.engine.options import NOT_POLICY, QUESTION, check_options
from twolane.engine.task import Registry, Sendable, Task, checked, default_name, policy_with
from twolane.values.errors import DefinitionError, SettingsError
from twolane.values.policy import HELD_EVERYWHERE_S, Backoff, Policy
from twolane.values.ticket import Lane, Ticket

if TYPE_CHECKING:
    from fastapi import APIRouter

    from twolane.engine.runtime import Runtime
    from twolane.engine.targets import Death
    from twolane.fastapi.status import Authorize
    from twolane.values.public_record import Record
    from twolane.values.thresholds import Thresholds
    from twolane.wiring.installed import StatusUrlsLike
    from twolane.wiring.settings import Settings

P = ParamSpec("P")
R = TypeVar("R")
H = TypeVar("H", bound="Callable[[Death], Any]")


class BackgroundDecorator(Protocol):
    """Makes a task of the background lane."""

    def __call__(self, fn: Callable[P, R], /) -> Task[P, P, R]:
        """Register `fn`."""
        ...


class QueueDecorator(Protocol):
    """Makes a task of the queue lane; a first parameter of type TaskContext is the worker's to fill."""

    @overload
    def __call__(
        self, fn: Callable[Concatenate[TaskContext, P], R], /
    ) -> Task[Concatenate[TaskContext, P], P, R]: ...
    @overload
    def __call__(self, fn: Callable[P, R], /) -> Task[P, P, R]: ...


class Tasks:
    """The tasks of one app, and the door to both lanes.

    Args:
        queue: where messages wait, such as `sqlite:////var/lib/app/twolane.db`; TWOLANE_QUEUE wins over it.
            Default: `twolane.db` beside the nearest `pyproject.toml` above the file that makes `Tasks()`.
        worker: `in_app` or `off`; TWOLANE_WORKER wins over it. Default: `in_app`, and `off` on SQS.
        state: beside SQS, where its state is, such as `dynamodb://TABLE`; `none`: it has none. TWOLANE_STATE
            wins over it.
        alerts: who is told of deaths beside the log: apprise URLs, in one text or a sequence; TWOLANE_ALERTS
            wins over it. Needs the extra `twolane[alerts]`. `log`: the log is enough, which SQS wants written out.
        watch: from when on the watch finds something wrong, or `off`: this process does not watch.
            TWOLANE_WATCH=off wins over it, and so does TWOLANE_WATCH=on over `off`.
        secret: what the tokens of `lanes.upload_form` are sealed with, 32 characters or more; TWOLANE_SECRET wins over
            it. Beside S3 it must be set; else a file keeps one beside the blobs.
        lambda_background: `inline`: in a Lambda function, where nothing runs after an answer, the answer waits for its
            background tasks.

    Raises:
        SettingsError: a setting that cannot hold.
    """

    def __init__(
        self,
        *,
        queue: str | None = None,
        worker: Literal["in_app", "off"] | None = None,
        state: str | None = None,
        alerts: str | Sequence[str] | None = None,
        watch: Thresholds | Literal["off"] | None = None,
        secret: str | None = None,
        lambda_background: Literal["inline"] | None = None,
    ) -> None:
        import sys

        if lambda_background not in (None, "inline"):
            raise SettingsError(f'lambda_background takes "inline", or nothing, not {lambda_background!r}')

        self.registry = Registry()
        self.apps: list[Any] = []
        self.lambda_background: str | None = lambda_background
        self._made_in = sys._getframe(1).f_code.co_filename  # noqa: SLF001  (where the default file lies)
        self._queue = queue
        self._worker = worker
        self._state = state
        self._alerts = alerts
        self._watch: Thresholds | Literal["off"] | None = watch
        self._secret = secret
        self._runtime: Runtime | None = None
        self._settings: Settings | None = None
        self.status_urls: StatusUrlsLike | None = None

    @overload
    def task(
        self, *, if_lost: Literal["ignore"], name: str | None = None, because: str = ""
    ) -> BackgroundDecorator: ...

    @overload
    def task(
        self,
        *,
        if_lost: Literal["alert"],
        name: str | None = None,
        because: str = "",
        queue: str = "default",
        max_attempts: int = 5,
        backoff: Backoff = ...,
        timeout_s: float | timedelta = 300.0,
        patience_s: float | timedelta = 3600.0,
        expires_after_s: float | timedelta | None = None,
        unique_key: str | None = None,
        group_by: str | None = None,
        retry_on: tuple[type[BaseException], ...] = (),
        give_up_on: tuple[type[BaseException], ...] = (),
        public_result: bool = False,
    ) -> QueueDecorator: ...

    def task(
        self,
        *bare: object,
        if_lost: str | None = None,
        name: str | None = None,
        because: str = "",
        **options: Any,
    ) -> Any:
        """Answer the question for a function, and make it a task.

        Args:
            *bare: nothing; a function here is `@tasks.task` without its answer.
            if_lost: `"ignore"`: nobody needs to know; it runs after the response. `"alert"`: a human must
                know; it is stored, retried and told. There is no default.
            name: the stable string stored in messages; default `module:function`.
            because: the reason for the answer, for the people who read it later.
            **options: what only a queue can keep, for `"alert"`: `queue` (name), `max_attempts`, `backoff`
                (a Backoff), `timeout_s`, `patience_s`, `expires_after_s` (seconds or timedelta),
                `unique_key` (a template over the arguments, such as `"{customer_id}"`), `group_by` (another: what
                shares it runs one after another on a FIFO queue of SQS, in the order of the sends), `retry_on`,
                `give_up_on` (tuples of exception types), `public_result` (customers may see what it returns).

        Raises:
            DefinitionError: no answer, options that this lane cannot keep, a name that is taken, a
                signature that cannot be a task, a time-out beyond the 12 hours of a queue that is on SQS.
        """
        if bare or if_lost not in ("ignore", "alert"):
            given = "" if if_lost is None else f", not {if_lost!r}"
            raise DefinitionError(
                f'a task answers the question with if_lost="ignore" or "alert"{given}: {QUESTION}'
            )
        lane = Lane.BACKGROUND if if_lost == "ignore" else Lane.QUEUE
        check_options(lane, options)

        def register(fn: Callable[..., Any]) -> Task[Any, Any, Any]:
            if isinstance(fn, Task):
                fn = fn.fn
            if not callable(fn) or isinstance(fn, (staticmethod, classmethod, type)):
                raise DefinitionError(f"a task is a function, not {fn!r}")
            its_name = default_name(fn) if name is None else name
            task: Task[Any, Any, Any] = Task(
                fn,
                name=its_name,
                lane=lane,
                queue=options.get("queue", "default"),
                because=because,
                policy=policy_with(Policy(), **{k: v for k, v in options.items() if k not in NOT_POLICY}),
                unique_key=options.get("unique_key"),
                group_by=options.get("group_by"),
                public_result=options.get("public_result", False),
                filling=_filling(self, fn, its_name, lane),
            )
            if lane is Lane.QUEUE and task.policy.timeout_s > HELD_EVERYWHERE_S:
                from twolane.wiring.known_queue import check_timeout

                check_timeout(task, self._settings, self._queue)
            self.registry.add(task)
            return task

        return register

    def on_death(self, hook: H, /) -> H:
        """Call a function for each death: a decorator for what no address can do.

        The function gets a `Death`, at least once for each: it may be called again for one it has had. It is
        called in a worker or an API process, in the app's event loop if it is async, else in a thread; what it
        raises is logged, and it is called again after a pause that grows to 30 s, until it returns. Meanwhile
        later deaths wait for it, and other hooks and targets do not. A call of more than 15 s counts as failed.

        Raises:
            DefinitionError: another hook has its name.
        """
        self.registry.add_hook(hook)
        return hook

    def install(self, app: Any) -> None:
        """Bring both lanes to a FastAPI (or Starlette) app: a middleware and a wrapped lifespan.

        Raises:
            UsageError: the app has been started, or has tasks installed already.
        """
        from twolane.fastapi.install import install

        install(app, self)

    async def send(self, task: Sendable[P], /, *args: P.args, **kwargs: P.kwargs) -> Ticket:
        """Send at once, whatever becomes of a response: the queue lane's is durable on return.

        A task of the background lane starts at once under supervision, in a process with a running
        app or worker.

        Args:
            task: a task, or `task.options(...)`.
            *args: the task's arguments, without the context.
            **kwargs: the same by name.

        Raises:
            ArgumentsRefused: the arguments do not fit, or JSON cannot carry them.
            SendRefused: nothing was stored.
            SendUnknown: it may have been stored; send again under the same id.
            UsageError: an undecorated function.
        """
        return await self.runtime.send(self.checked(task), args, kwargs)

    def send_blocking(self, task: Sendable[P], /, *args: P.args, **kwargs: P.kwargs) -> Ticket:
        """As `send`, for scripts and threads: blocks until the message is durable. Queue lane only."""
        return self.runtime.send_blocking(self.checked(task), args, kwargs)

    def record(self, message_id: str) -> Record | None:
        """The status of a message of the queue lane: its state, its progress, why it is dead.

        Blocks for one read of the queue's file: call it in a `def` endpoint, or in a thread.

        Args:
            message_id: what the ticket said.

        Returns:
            None: there is no such message, or its record was pruned.

        Raises:
            QueueError: the queue cannot be read.
        """
        from twolane.values.public_record import published

        record = self.runtime.read(message_id)
        return None if record is None else published(record)

    def cancel(self, message_id: str) -> Record | None:
        """Ask for the end of a message: a waiting one is cancelled at once, a running one at its next checkpoint.

        Blocks until that is durable: call it in a `def` endpoint, a script, or a thread.

        Args:
            message_id: what the ticket said.

        Returns:
            The record as it stands afterwards: `cancelled`; or `running` with `cancel_requested`; or unchanged,
            where it had ended already. None: there is no such message, or its record was pruned.

        Raises:
            QueueError: the queue cannot be read or written, or it is not known whether it was.
        """
        from twolane.values.public_record import published

        record = self.runtime.cancel(message_id)
        return None if record is None else published(record)

    def status_router(self, *, authorize: Authorize) -> APIRouter:
        """Routes where customers see what becomes of their tasks: `app.include_router(..., prefix="/imports")`.

        `GET {prefix}/{id}` answers JSON, and with `Accept: text/event-stream` the same as server-sent events, as
        `GET {prefix}/{id}/events` always does. The app needs `tasks.install(app)`. With it `lanes.add_task`
        tells in `Ticket.status_url` where to look; of several the first that is included.

        Args:
            authorize: a function of the request and the record, plain (it runs in a thread) or async: may who
                asks see it? False is answered as an unknown id is, with 404; raise HTTPException for something
                else. It is asked at every request, and again each time an event stream is opened.

        Raises:
            DefinitionError: `authorize` is no function of two arguments.
        """
        from twolane.fastapi.status import status_router
        from twolane.fastapi.status_url import StatusUrls

        self.status_urls = self.status_urls or StatusUrls()
        return status_router(self, authorize)

    def limit_body(self, size_bytes: int) -> Callable[..., Awaitable[None]]:
        """A dependency that answers 413 as soon as a request's body is larger, before it is all read.

        Use it as `@app.post("/imports", dependencies=[Depends(tasks.limit_body(10_000_000))])`.

        Args:
            size_bytes: the largest body, in bytes, the form's own framing included.
        """
        from twolane.fastapi.body_limit import limit_body

        return limit_body(size_bytes)

    def upload_router(self) -> APIRouter:
        """A route that takes the files of `lanes.upload_form` while blobs are files of this machine.

        `app.include_router(tasks.upload_router(), prefix="/uploads")`. Beside S3 nobody uses it.
        """
        from twolane.fastapi.upload_router import upload_router

        return upload_router(self)

    def health_router(self) -> APIRouter:
        """Routes for probes: `app.include_router(tasks.health_router())`.

        `/health/live` answers 200 while the event loop does, `/health/ready` 200 or 503: the queue can be read
        and written, the worker receives if there is one here, the disk is not full. `/health` adds what the watch
        finds, by name. It looks once a second at most; no address and no text of an error is in it.
        """
        from twolane.fastapi.health import health_router

        return health_router(self)

    def close(self) -> None:
        """Flush and close what a script's sends opened; an app's lifespan and a worker do it themselves."""
        if self._runtime is not None:
            self._runtime.close()

    def checked(self, task: Any) -> Sendable[...]:
        """The task, if it is one of these.

        Raises:
            UsageError: an undecorated function, or a task of another `Tasks`.
        """
        return checked(self.registry, task)

    @property
    def runtime(self) -> Runtime:
        """What this process holds open; made at first use."""
        if self._runtime is None:
            from twolane.wiring.opening import make_runtime

            self._runtime = make_runtime(self.registry, self.settings)
        return self._runtime

    def swap_runtime(self, runtime: Runtime | None) -> Runtime | None:
        """Put another runtime in place, for tests; answers the one before, None if there was none yet."""
        before, self._runtime = self._runtime, runtime
        return before

    @property
    def settings(self) -> Settings:
        """What holds, from the environment and the constructor.

        Raises:
            SettingsError: a setting that cannot hold.
        """
        if self._settings is None:
            from twolane.wiring.settings import read_settings

            self._settings = read_settings(
                queue=self._queue,
                worker=self._worker,
                state=self._state,
                alerts=self._alerts,
                watch=self._watch,
                secret=self._secret,
                made_in=self._made_in,
            )
        return self._settings


def _filling(tasks: Tasks, fn: Callable[..., Any], name: str, lane: Lane) -> Filling | None:
    """What fills parameters of a task; None: it has none that are filled.

    Nobody can write `Depends(...)` before FastAPI is loaded, so it is not loaded here.
    """
    import sys

    fastapi = sys.modules.get("fastapi.params")
    names = filled_names(fn, name, None if fastapi is None else fastapi.Depends)
    if not names:
        return None
    if lane is Lane.BACKGROUND:
        raise DefinitionError(
            f'task {name} is if_lost="ignore": nobody fills `{names[0]}`, since its call is bound where it is added. '
            f"Write its type without Depends and pass the value, make it in the task, or define the task with "
            f'if_lost="alert".'
        )
    from twolane.fastapi.dependencies import Dependencies

    return Dependencies(fn, name, tasks)
