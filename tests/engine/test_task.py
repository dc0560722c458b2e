"""The question, and everything a definition is checked for."""

from __future__ import annotations

import functools
import sys
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from tests.engine import definitions
from twolane import Backoff, DefinitionError, Lane, TaskContext, Tasks, UsageError
from twolane.engine.task import default_name, policy_with
from twolane.values.policy import MAX_PAUSE_S, Policy

QUEUE_ONLY: dict[str, Any] = {
    "queue": "imports",
    "max_attempts": 3,
    "backoff": Backoff(),
    "timeout_s": 5,
    "patience_s": 5,
    "expires_after_s": 5,
    "unique_key": "{a}",
    "group_by": "{a}",
    "retry_on": (OSError,),
    "give_up_on": (ValueError,),
}


def work(a: int) -> int:
    return a + 1


class TestTheQuestion:
    @pytest.mark.parametrize("answer", [{}, {"if_lost": None}, {"if_lost": "retry"}, {"if_lost": True}])
    def test_has_no_default(self, tasks: Tasks, answer: dict[str, Any]) -> None:
        with pytest.raises(DefinitionError, match=r"if this task vanishes, does a human need to know\?"):
            tasks.task(**answer)

    def test_ignore_is_the_background_lane(self, tasks: Tasks) -> None:
        task = tasks.task(if_lost="ignore", because="it is said again tomorrow")(work)
        assert (task.lane, task.because) == (Lane.BACKGROUND, "it is said again tomorrow")
        assert tasks.registry.queue_tasks() == []

    def test_alert_is_the_queue_lane(self, tasks: Tasks) -> None:
        task = tasks.task(if_lost="alert")(work)
        assert (task.lane, task.queue, task.policy) == (Lane.QUEUE, "default", Policy())
        assert tasks.registry.queue_tasks() == [task]

    @pytest.mark.parametrize("option", sorted(QUEUE_ONLY))
    def test_what_only_a_queue_can_keep_is_refused_beside_ignore(self, tasks: Tasks, option: str) -> None:
        with pytest.raises(
            DefinitionError, match=rf"^{option}: only a queue can keep this.*Ask the question again"
        ):
            tasks.task(if_lost="ignore", **{option: QUEUE_ONLY[option]})  # type: ignore[call-overload]

    def test_every_option_is_kept_beside_alert(self, tasks: Tasks) -> None:
        task = tasks.task(if_lost="alert", **QUEUE_ONLY)(work)
        kept = {**{name: getattr(task.policy, name, None) for name in QUEUE_ONLY}, "queue": task.queue}
        assert kept | {"unique_key": task.unique_key, "group_by": task.group_by} == QUEUE_ONLY

    @pytest.mark.parametrize("if_lost", ["ignore", "alert"])
    def test_an_unknown_option_is_told_with_the_known_ones(self, tasks: Tasks, if_lost: Any) -> None:
        with pytest.raises(DefinitionError, match=r"no option max_retries; there are backoff, .*unique_key"):
            tasks.task(if_lost=if_lost, max_retries=3)


class TestTheFunction:
    def test_stays_itself(self, tasks: Tasks) -> None:
        task = tasks.task(if_lost="alert")(work)
        assert task(1) == 2
        assert task.fn is work
        assert (task.__name__, task.__wrapped__) == ("work", work)  # type: ignore[attr-defined]

    def test_may_serve_two_tasks(self, tasks: Tasks) -> None:
        welcome = tasks.task(if_lost="ignore", name="welcome")(work)
        reset = tasks.task(if_lost="alert", name="reset")(welcome)
        assert welcome.fn is reset.fn is work
        assert (welcome.lane, reset.lane) == (Lane.BACKGROUND, Lane.QUEUE)

    @pytest.mark.parametrize("thing", [None, 7, "work", staticmethod(work), classmethod(work), int])
    def test_is_a_function(self, tasks: Tasks, thing: Any) -> None:
        with pytest.raises(DefinitionError, match="a task is a function, not"):
            tasks.task(if_lost="ignore")(thing)

    def test_is_no_generator(self, tasks: Tasks) -> None:
        def some() -> Any:
            yield 1

        async def more() -> Any:
            yield 1

        for fn in (some, more):
            with pytest.raises(DefinitionError, match="would run nothing of it"):
                tasks.task(if_lost="alert")(fn)

    def test_knows_whether_it_is_async(self, tasks: Tasks) -> None:
        async def later() -> None: ...

        assert tasks.task(if_lost="alert")(later).is_async
        assert not tasks.task(if_lost="alert")(work).is_async

    def test_shows_its_name_and_lane(self, tasks: Tasks) -> None:
        assert repr(tasks.task(if_lost="alert", name="work")(work)) == "<task work (queue lane)>"


class TestNames:
    def test_the_default_is_module_and_function(self, tasks: Tasks) -> None:
        assert tasks.task(if_lost="alert")(work).name == f"{__name__}:work"

    def test_a_script_is_named_after_its_file(self, monkeypatch: pytest.MonkeyPatch) -> None:
        fn = functools.wraps(work)(lambda a: a)
        fn.__module__ = "__main__"
        monkeypatch.setattr(sys.modules["__main__"], "__spec__", None)
        monkeypatch.setattr(sys.modules["__main__"], "__file__", "/srv/shop/app.py", raising=False)
        assert default_name(fn) == "app:work"

    def test_a_module_that_is_run_is_named_as_it_is_imported(self, monkeypatch: pytest.MonkeyPatch) -> None:
        fn = functools.wraps(work)(lambda a: a)
        fn.__module__ = "__main__"
        monkeypatch.setattr(sys.modules["__main__"], "__spec__", definitions.__spec__)
        assert default_name(fn) == "tests.engine.definitions:work"

    def test_a_shell_has_no_file(self, monkeypatch: pytest.MonkeyPatch) -> None:
        fn = functools.wraps(work)(lambda a: a)
        fn.__module__ = "__main__"
        monkeypatch.setattr(sys.modules["__main__"], "__spec__", None)
        monkeypatch.delattr(sys.modules["__main__"], "__file__", raising=False)
        assert default_name(fn) == "__main__:work"

    def test_what_has_no_name_is_asked_for_one(self, tasks: Tasks) -> None:
        with pytest.raises(DefinitionError, match="give it a name="):
            tasks.task(if_lost="alert")(functools.partial(work, 1))
        assert tasks.task(if_lost="alert", name="one")(functools.partial(work, 1)).name == "one"

    def test_the_same_twice_is_refused(self, tasks: Tasks) -> None:
        tasks.task(if_lost="alert")(work)
        with pytest.raises(DefinitionError, match=r":work already: give one of the two another name="):
            tasks.task(if_lost="ignore")(work)
        assert len(tasks.registry) == 1

    @pytest.mark.parametrize("name", ["a b", "naïve", "x" * 201, "a\n"])
    def test_are_short_and_printable(self, tasks: Tasks, name: str) -> None:
        with pytest.raises(DefinitionError, match="1 to 200 printable ASCII characters"):
            tasks.task(if_lost="alert", name=name)(work)

    @pytest.mark.parametrize("queue", ["", "a b", "a/b", "ü", "x" * 81, "imports.fifo"])
    def test_of_queues_fit_every_backend(self, tasks: Tasks, queue: str) -> None:
        with pytest.raises(DefinitionError, match="a queue's name is 1 to 80 letters, digits"):
            tasks.task(if_lost="alert", queue=queue)(work)


class TestContext:
    def test_is_the_first_parameter(self, tasks: Tasks) -> None:
        def with_context(ctx: TaskContext, a: int) -> None: ...

        task = tasks.task(if_lost="alert")(with_context)
        assert task.takes_context
        assert task.arguments.names == ("a",)

    def test_anywhere_else_is_refused(self, tasks: Tasks) -> None:
        def wrong(a: int, ctx: TaskContext) -> None: ...

        with pytest.raises(DefinitionError, match="`ctx: TaskContext` must be the first parameter"):
            tasks.task(if_lost="alert")(wrong)

    def test_is_refused_in_the_background_lane(self, tasks: Tasks) -> None:
        def wrong(ctx: TaskContext) -> None: ...

        with pytest.raises(DefinitionError, match="no attempts, no checkpoints and no TaskContext"):
            tasks.task(if_lost="ignore")(wrong)

    def test_is_found_where_other_names_cannot_be_resolved_yet(self, tasks: Tasks) -> None:
        def early(ctx: TaskContext, a: Unknown) -> None: ...  # type: ignore[name-defined]  # noqa: F821

        assert tasks.task(if_lost="alert")(early).takes_context

    @pytest.mark.parametrize("fn", definitions.SWALLOWING, ids=lambda fn: fn.__name__)
    def test_a_parameter_that_would_be_taken_for_it_is_refused(self, tasks: Tasks, fn: Any) -> None:
        with pytest.raises(DefinitionError, match=r"the first parameter, `a`, is untyped, Any or object"):
            tasks.task(if_lost="alert")(fn)
        assert tasks.task(if_lost="ignore")(fn).takes_context is False

    def test_the_same_with_postponed_annotations(self, tasks: Tasks) -> None:
        def postponed(a: Any) -> None: ...

        def unresolved(a: Any, b: Unknown) -> None: ...  # type: ignore[name-defined]  # noqa: F821

        for fn in (postponed, unresolved):
            with pytest.raises(DefinitionError, match="is untyped, Any or object"):
                tasks.task(if_lost="alert")(fn)


@pytest.mark.parametrize("option", ["unique_key", "group_by"])
class TestTemplates:
    @pytest.mark.parametrize("template", ["{a}", "nightly", "{a}-{a!r}"])
    def test_are_over_the_arguments(self, tasks: Tasks, option: str, template: str) -> None:
        assert getattr(tasks.task(if_lost="alert", **{option: template})(work), option) == template

    @pytest.mark.parametrize("template", ["{b}", "{}", "{0}", "{a", "{a.id}", "{ctx}", "{a:%}"])
    def test_anything_else_is_refused(self, tasks: Tasks, option: str, template: str) -> None:
        def with_context(ctx: TaskContext, a: int) -> None: ...

        with pytest.raises(DefinitionError, match=f"{option} is a template over the arguments' names"):
            tasks.task(if_lost="alert", **{option: template})(with_context)


class TestPolicy:
    @pytest.mark.parametrize(
        "options",
        [
            {"max_attempts": 0},
            {"max_attempts": -1},
            {"max_attempts": 2.5},
            {"max_attempts": True},
            {"timeout_s": 0},
            {"timeout_s": -1},
            {"timeout_s": "60"},
            {"timeout_s": float("nan")},
            {"timeout_s": float("inf")},
            {"patience_s": timedelta(0)},
            {"expires_after_s": 0},
            {"backoff": 5},
            {"backoff": None},
            {"retry_on": [OSError]},
            {"retry_on": OSError},
            {"give_up_on": ("OSError",)},
            {"give_up_on": (OSError(),)},
        ],
        ids=str,
    )
    def test_what_cannot_hold_is_refused(self, tasks: Tasks, options: dict[str, Any]) -> None:
        (name,) = options
        with pytest.raises(DefinitionError, match=name):
            tasks.task(if_lost="alert", **options)(work)

    def test_durations_are_seconds_or_timedeltas(self) -> None:
        policy = policy_with(
            Policy(), timeout_s=timedelta(minutes=1), patience_s=7, expires_after_s=timedelta(1)
        )
        assert (policy.timeout_s, policy.patience_s, policy.expires_after_s) == (60.0, 7.0, 86_400.0)

    @pytest.mark.parametrize(
        "options", [{"base_s": -1}, {"factor": 0.5}, {"cap_s": MAX_PAUSE_S + 1}, {"base_s": float("nan")}]
    )
    def test_a_backoff_makes_sense(self, options: dict[str, float]) -> None:
        with pytest.raises(ValueError, match="a backoff takes base_s >= 0"):
            Backoff(**options)


class TestOptions:
    @pytest.fixture
    def task(self, tasks: Tasks) -> Any:
        return tasks.task(if_lost="alert")(work)

    def test_durations_are_seconds_or_timedeltas(self, task: Any) -> None:
        options = task.options(delay_s=timedelta(minutes=1), expires_after_s=5).send_options
        assert (options.delay_s, options.expires_after_s) == (60.0, 5.0)

    def test_the_task_itself_has_none(self, task: Any) -> None:
        task.options(delay_s=60)
        assert task.send_options.delay_s == 0

    def test_an_id_is_a_uuid(self, task: Any) -> None:
        text = "0190163d-8694-739b-aea5-966c26f8ad91"
        for given in (text, text.upper(), text.replace("-", "")):
            assert task.options(id=given).send_options.id == text
        for wrong in ("7", "", 7, UUID(text)):
            with pytest.raises(ValueError, match="id takes a UUID as text"):
                task.options(id=wrong)

    @pytest.mark.parametrize(
        "wrong",
        [{"delay_s": -1}, {"delay_s": "1"}, {"delay_s": float("inf")}, {"expires_after_s": 0}],
        ids=str,
    )
    def test_a_duration_that_makes_no_sense_is_refused(self, task: Any, wrong: dict[str, Any]) -> None:
        (name,) = wrong
        with pytest.raises(ValueError, match=f"{name} takes"):
            task.options(**wrong)

    def test_the_background_lane_keeps_none(self, tasks: Tasks) -> None:
        task = tasks.task(if_lost="ignore")(work)
        with pytest.raises(DefinitionError, match="only the queue lane keeps options of a send"):
            task.options(delay_s=1)


class TestChecked:
    def test_an_undecorated_function_gets_the_line_to_add(self, tasks: Tasks) -> None:
        with pytest.raises(UsageError, match=r'work is no task yet.*@tasks.task\(if_lost="ignore"\)'):
            tasks.checked(work)

    def test_a_task_of_another_tasks_is_refused(self, tasks: Tasks) -> None:
        foreign = Tasks().task(if_lost="alert")(work)
        tasks.task(if_lost="alert")(work)
        for each in (foreign, foreign.options(delay_s=1)):
            with pytest.raises(UsageError, match="belongs to another Tasks"):
                tasks.checked(each)


def test_the_bare_decorator_asks_the_question(tasks: Tasks) -> None:
    def send(email: str) -> None: ...

    with pytest.raises(DefinitionError, match="does a human need to know"):
        tasks.task(send)


def test_an_empty_name_is_no_name(tasks: Tasks) -> None:
    with pytest.raises(DefinitionError, match="1 to 200 printable"):

        @tasks.task(if_lost="alert", name="")
        def send(email: str) -> None: ...


def test_what_cannot_be_stored_by_name_is_refused_at_the_definition(tasks: Tasks) -> None:
    def variadic(first: int, *rest: int) -> None: ...

    def keywords(**options: int) -> None: ...

    for fn, named in ((variadic, r"\*rest: "), (keywords, r"\*\*options: ")):
        with pytest.raises(
            DefinitionError, match=rf"`{named}.*cannot be stored by name; write its arguments out"
        ):
            tasks.task(if_lost="alert")(fn)


def test_a_method_is_refused_as_one(tasks: Tasks) -> None:
    with pytest.raises(DefinitionError, match="a method cannot be a task"):

        class Mailer:
            @tasks.task(if_lost="alert")
            def send(self, email: str) -> None: ...
