"""A task: a function with a name and an answer to the question; and the registry that keeps names unique.

Here: the values that a definition makes and the checks of a definition. Not here: the decorator with
its overloads (face.py) and arguments (arguments.py).
"""

from __future__ import annotations

import functools
import inspect
import json
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Generic, ParamSpec, TypeVar, get_type_hints

from twolane.engine.arguments import Arguments
from twolane.engine.context import TaskContext
from twolane.engine.filling import Filling
from twolane.values.errors import DefinitionError, UsageError
from twolane.values.message import Letterhead, MessagePolicy
from twolane.values.policy import Policy, seconds
from twolane.values.ticket import Lane

C = ParamSpec("C")
P = ParamSpec("P")
R_co = TypeVar("R_co", covariant=True)

_NAME = re.compile(r"[!-~]{1,200}")
_QUEUE = re.compile(r"[A-Za-z0-9_-]{1,80}")
MIN_S = 0.001
"""The shortest time-out, patience or expiry, in seconds."""


@dataclass(frozen=True, slots=True)
class SendOptions:
    """The options of one send.

    Attributes:
        id: the message's id, a UUID; None: a new one.
        delay_s: not to be run before that many seconds.
        unique_key: no second message of the task with this key while one waits or runs.
        expires_after_s: dead if it still waits after that many seconds.
    """

    id: str | None = None
    delay_s: float = 0.0
    unique_key: str | None = None
    expires_after_s: float | None = None


class Sendable(Generic[P]):
    """What `add_task` and `send` take: a task, or a task with the options of one send."""

    task: Task[Any, P, Any]
    send_options: SendOptions


class Task(Sendable[P], Generic[C, P, R_co]):
    """A registered function with a name and a policy; calling it calls the function as it was written.

    Attributes:
        name: the stable string stored in messages.
        lane: background (`if_lost="ignore"`) or queue (`if_lost="alert"`).
        queue: the name of its queue; `default` unless said.
        because: the reason given for the answer; may be empty.
        policy: how the queue lane treats it.
        fn: the function.
        is_async: whether the function is a coroutine function.
        takes_context: whether its first parameter is a TaskContext.
        letterhead: writes its envelopes.
        unique_key: template of its uniqueness key over the arguments' names, or None.
        group_by: template of its group over the arguments' names, or None.
        public_result: customers may see what it returns.
        filling: the parameters that the worker fills beside the context; None: there are none.
    """

    def __init__(
        self,
        fn: Callable[C, R_co],
        *,
        name: str,
        lane: Lane,
        queue: str = "default",
        because: str = "",
        policy: Policy | None = None,
        unique_key: str | None = None,
        group_by: str | None = None,
        public_result: bool = False,
        filling: Filling | None = None,
    ) -> None:
        self.fn = fn
        self.name = name
        self.lane = lane
        self.queue = queue
        self.because = because
        self.policy = policy or Policy()
        self.unique_key = unique_key
        self.group_by = group_by
        self.public_result = public_result
        if not isinstance(public_result, bool):  # pyright: ignore[reportUnnecessaryIsInstance]  (1 might be a mistake)
            raise DefinitionError(f"task {name}: public_result is True or False, not {public_result!r}")
        self.is_async = inspect.iscoroutinefunction(fn)
        if inspect.isgeneratorfunction(fn) or inspect.isasyncgenfunction(fn):
            raise DefinitionError(f"task {name}: a call of a generator function would run nothing of it")
        self.takes_context = _takes_context(fn, name, lane)
        self.filling = filling
        filled = frozenset[str]() if filling is None else filling.names
        self.arguments = Arguments(fn, name, skip_first=self.takes_context, filled=filled)
        limits = MessagePolicy(self.policy.max_attempts, self.policy.timeout_s, self.policy.patience_s)
        self.letterhead = Letterhead(name, queue, limits)
        self.send_options = SendOptions()
        self.task: Task[Any, P, Any] = self
        functools.update_wrapper(self, fn)
        _check_template(self, "unique_key", unique_key)
        _check_template(self, "group_by", group_by)

    def __call__(self, *args: C.args, **kwargs: C.kwargs) -> R_co:
        """Call the function itself, here and now: no lane, no retry."""
        return self.fn(*args, **kwargs)

    def options(
        self,
        *,
        id: str | None = None,  # noqa: A002  (the word of the API)
        delay_s: float | timedelta = 0.0,
        unique_key: str | None = None,
        expires_after_s: float | timedelta | None = None,
    ) -> TaskWithOptions[P]:
        """This task with options for one send, for `add_task` and `send`.

        Args:
            id: the message's id, a UUID you made: a second send of it with equal arguments is the same send.
            delay_s: not to be run before that many seconds (or that timedelta).
            unique_key: no second message of this task with this key while one waits or runs.
            expires_after_s: becomes a dead letter if it still waits after that many seconds.

        Raises:
            DefinitionError: the task is of the background lane, which keeps none of these.
            ValueError: a duration that makes no sense, an id that is no UUID.
        """
        if self.lane is Lane.BACKGROUND:
            raise DefinitionError(
                f'task {self.name} is if_lost="ignore": only the queue lane keeps options of a send. '
                f'Define it with if_lost="alert" if it needs them.'
            )
        options = SendOptions(
            id=None if id is None else _uuid(id),
            delay_s=seconds(delay_s, "delay_s"),
            unique_key=unique_key,
            expires_after_s=None
            if expires_after_s is None
            else seconds(expires_after_s, "expires_after_s", at_least=MIN_S),
        )
        return TaskWithOptions(self.task, options)

    def __repr__(self) -> str:
        return f"<task {self.name} ({self.lane} lane)>"


class TaskWithOptions(Sendable[P]):
    """A task with the options of one send; made by `task.options(...)`."""

    def __init__(self, task: Task[Any, P, Any], send_options: SendOptions) -> None:
        self.task = task
        self.send_options = send_options


def filled(template: str | None, args: str) -> str | None:
    """A template over the arguments' names, filled with these arguments, which are a JSON object."""
    return None if template is None else template.format(**json.loads(args))


class Registry:
    """The tasks of one `Tasks`, by name. The same name twice is refused."""

    def __init__(self) -> None:
        self._tasks: dict[str, Task[Any, Any, Any]] = {}
        self.hooks: dict[str, Callable[[Any], Any]] = {}
        """What is called for each death, by its name."""

    def add_hook(self, fn: Callable[[Any], Any]) -> None:
        """Keep what is called for each death.

        Raises:
            DefinitionError: its name is taken, or it has none.
        """
        name = default_name(fn)
        if name in self.hooks:
            raise DefinitionError(
                f"there is a hook named {name} already: give one of the two functions another name, "
                f"since the name is what says how far it was told"
            )
        self.hooks[name] = fn

    def add(self, task: Task[Any, Any, Any]) -> None:
        """Keep a task.

        Raises:
            DefinitionError: its name is taken, or no name.
        """
        if not _NAME.fullmatch(task.name):
            raise DefinitionError(f"a task's name is 1 to 200 printable ASCII characters, not {task.name!r}")
        if not _QUEUE.fullmatch(task.queue):
            raise DefinitionError(
                f"task {task.name}: a queue's name is 1 to 80 letters, digits, - and _, not {task.queue!r}"
            )
        if task.name in self._tasks:
            raise DefinitionError(
                f"there is a task named {task.name} already: give one of the two another name=, "
                f"since the name is what stored messages say"
            )
        self._tasks[task.name] = task

    def get(self, name: str) -> Task[Any, Any, Any] | None:
        """The task of this name, or None."""
        return self._tasks.get(name)

    def __iter__(self) -> Iterator[Task[Any, Any, Any]]:
        return iter(self._tasks.values())

    def __len__(self) -> int:
        return len(self._tasks)

    def __contains__(self, task: object) -> bool:
        return isinstance(task, Task) and self._tasks.get(task.name) is task

    def queue_tasks(self) -> list[Task[Any, Any, Any]]:
        """The tasks of the queue lane."""
        return [task for task in self if task.lane is Lane.QUEUE]


def default_name(fn: Callable[..., Any]) -> str:
    """`module:function`; the module that is run is named as it is imported: by `-m`, or after its file.

    Raises:
        DefinitionError: what has no name of its own, such as a partial.
    """
    if not hasattr(fn, "__qualname__"):
        raise DefinitionError(f"{fn!r} has no name that could be stored in messages: give it a name=")
    module = fn.__module__
    if module == "__main__":
        main = sys.modules["__main__"]
        spec, file = getattr(main, "__spec__", None), getattr(main, "__file__", None)
        module = spec.name if spec else Path(file).stem if file else module
    return f"{module}:{fn.__qualname__}"


def policy_with(policy: Policy, **options: Any) -> Policy:
    """A policy with the given options in place of its defaults, checked.

    Raises:
        DefinitionError: an option that cannot hold.
    """
    try:
        for name in ("timeout_s", "patience_s", "expires_after_s"):
            if options.get(name) is not None:
                options[name] = seconds(options[name], name, at_least=MIN_S)
        return replace(policy, **options)
    except (TypeError, ValueError) as error:
        raise DefinitionError(str(error)) from None


def _takes_context(fn: Callable[..., Any], name: str, lane: Lane) -> bool:
    """Whether the first parameter is a TaskContext; refuses what would be taken for one by mistake."""
    parameters = list(inspect.signature(fn).parameters.values())
    hints = _hints(fn)
    for position, parameter in enumerate(parameters):
        if hints.get(parameter.name, parameter.annotation) is not TaskContext:
            continue
        if position > 0:
            raise DefinitionError(f"task {name}: `{parameter.name}: TaskContext` must be the first parameter")
        if lane is Lane.BACKGROUND:
            raise DefinitionError(
                f'task {name} is if_lost="ignore": it has no attempts, no checkpoints and no TaskContext. '
                f'Remove the parameter, or define it with if_lost="alert".'
            )
    if not parameters:
        return False
    _check_storable(parameters, name, lane)
    first = parameters[0]
    annotation = hints.get(first.name, first.annotation)
    if lane is Lane.QUEUE and annotation in _SWALLOWING:
        raise DefinitionError(
            f"task {name}: the first parameter, `{first.name}`, is untyped, Any or object, so a type checker "
            f"takes it for the TaskContext. Write its type, as in `{first.name}: str`."
        )
    return annotation is TaskContext


def _check_storable(parameters: Sequence[inspect.Parameter], name: str, lane: Lane) -> None:
    """Refuse what can be seen at the definition not to be storable by name."""
    if lane is Lane.BACKGROUND:
        return
    for parameter in parameters:
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise DefinitionError(
                f"task {name}: `{parameter}` cannot be stored by name; write its arguments out"
            )
    if parameters[0].name in ("self", "cls"):
        raise DefinitionError(
            f"task {name}: a method cannot be a task, since its object is not stored; make it a function"
        )


_SWALLOWING: tuple[Any, ...] = (inspect.Parameter.empty, Any, object, "Any", "typing.Any", "object")


def _hints(fn: Callable[..., Any]) -> dict[str, Any]:
    """Resolved annotations; where a name cannot be resolved yet, only the ones that are plain."""
    try:
        return get_type_hints(fn)
    except (NameError, TypeError, AttributeError):
        raw = getattr(fn, "__annotations__", {})
        return {
            key: TaskContext if value in ("TaskContext", "twolane.TaskContext") else value
            for key, value in raw.items()
        }


def _check_template(task: Task[Any, Any, Any], option: str, template: str | None) -> None:
    if template is None:
        return
    try:
        template.format(**dict.fromkeys(task.arguments.names, ""))
    except (KeyError, IndexError, ValueError, AttributeError) as error:
        raise DefinitionError(
            f"task {task.name}: {option} is a template over the arguments' names, such as "
            f'{option}="{{customer_id}}"; {template!r} is none ({error!r})'
        ) from None


def _uuid(value: str) -> str:
    import uuid

    try:
        return str(uuid.UUID(value))
    except (ValueError, AttributeError, TypeError):
        raise ValueError(f"id takes a UUID as text, not {value!r}") from None


def checked(registry: Registry, sendable: Any) -> Sendable[...]:
    """What was given to `add_task` or `send`, if it is a task of this registry.

    Raises:
        UsageError: an undecorated function, or a task of another `Tasks`.
    """
    if isinstance(sendable, Sendable):
        if sendable.task in registry:
            return sendable
        raise UsageError(
            f"task {sendable.task.name} belongs to another Tasks than the one that was asked to send it"
        )
    name = getattr(sendable, "__qualname__", repr(sendable))
    raise UsageError(
        f"{name} is no task yet: answer the question where it is defined, with "
        f'@tasks.task(if_lost="ignore") if nobody needs to know when it vanishes, or '
        f'@tasks.task(if_lost="alert") if a human must'
    )
