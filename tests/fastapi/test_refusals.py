"""What a dependency of a task cannot have is refused where the task is defined, with the reason and the way out."""

import inspect
from collections.abc import Callable
from typing import Annotated, Any, ForwardRef

import pytest
from fastapi import (
    BackgroundTasks,
    Body,
    Cookie,
    Depends,
    Header,
    Path,
    Query,
    Request,
    Response,
    Security,
    WebSocket,
)
from fastapi.responses import JSONResponse
from fastapi.security import HTTPBearer, OAuth2PasswordBearer, SecurityScopes
from pydantic import BaseModel
from starlette.requests import HTTPConnection

from twolane import DefinitionError, Tasks


class Page(BaseModel):
    number: int


def request(found: Request) -> None: ...
def connection(found: HTTPConnection) -> None: ...
def websocket(found: WebSocket) -> None: ...
def response(found: Response) -> None: ...
def json_response(found: JSONResponse) -> None: ...
def background(found: BackgroundTasks) -> None: ...
def scopes(found: SecurityScopes) -> None: ...
def query(found: int) -> None: ...
def untyped(found) -> None: ...  # type: ignore[no-untyped-def]
def with_default(found: int = 3) -> None: ...
def written_query(found: Annotated[int, Query()]) -> None: ...
def written_default(found: int = Query(3)) -> None: ...
def header(found: Annotated[str, Header()]) -> None: ...
def cookie(found: Annotated[str, Cookie()]) -> None: ...
def path(found: Annotated[str, Path()]) -> None: ...
def body(found: Annotated[Page, Body()]) -> None: ...
def model(found: Page) -> None: ...
def security(found: Annotated[str, Security(lambda: "me", scopes=["all"])]) -> None: ...
def bearer(found: Annotated[str, Depends(OAuth2PasswordBearer("token"))]) -> None: ...


class OfAClass:
    def __init__(self, found: Request) -> None: ...


def refused(dependency: Callable[..., Any], nested: bool) -> str:
    def outer(inner: Annotated[Any, Depends(dependency)]) -> None: ...

    asked = Depends(outer if nested else dependency)

    def task(number: int, session: Any = asked) -> None: ...

    with pytest.raises(DefinitionError) as error:
        Tasks().task(if_lost="alert", name="import_flights")(task)
    return str(error.value)


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize(
    ("dependency", "why", "out"),
    [
        (request, "takes the request, and a task has none", "Pass what it takes from there as an argument"),
        (connection, "takes the request", "`state` of a parameter of type TaskContext"),
        (websocket, "takes the request", "give the task a dependency without that parameter"),
        (OfAClass, "takes the request", "Pass what it takes from there"),
        (response, "changes the answer, which has gone", "give the task a dependency without that parameter"),
        (json_response, "changes the answer", "For tasks"),
        (background, "runs after an answer", "Take `lanes: Lanes` instead"),
        (scopes, "credentials", "Check them in the endpoint that sends the task"),
        (security, "credentials", "such as the user's id"),
        (bearer, "credentials", "Check them in the endpoint that sends the task"),
        (query, "from the query or the body, and a task has no request", "Pass what it takes from there"),
        (untyped, "from the query or the body", "Pass what it takes from there"),
        (with_default, "from the query or the body", "a dependency without that parameter"),
        (written_query, "from the query, and a task has no request", "Pass what it takes from there"),
        (written_default, "from the query, and", "Pass what it takes from there"),
        (header, "from a header", "Pass what it takes from there"),
        (cookie, "from a cookie", "Pass what it takes from there"),
        (path, "from the path", "Pass what it takes from there"),
        (body, "from the body", "Pass what it takes from there"),
        (model, "from the query or the body", "Pass what it takes from there"),
    ],
)
def test_what_only_a_request_has(dependency: Any, why: str, out: str, nested: bool) -> None:
    sentence = refused(dependency, nested)
    way = "outer -> " if nested else ""
    assert sentence.startswith(
        f"task import_flights: its dependency {way}{dependency.__name__} has a parameter `found"
    )
    assert why in sentence
    assert out in sentence


def test_security_of_the_task_itself() -> None:
    def task(user: str = Security(lambda: "me")) -> None: ...

    with pytest.raises(
        DefinitionError, match="task t: it has a parameter `user`, filled by <lambda>, which reads"
    ):
        Tasks().task(if_lost="alert", name="t")(task)


def test_a_security_scheme_of_the_task_itself() -> None:
    def task(user: Annotated[Any, Depends(HTTPBearer())]) -> None: ...

    with pytest.raises(
        DefinitionError, match="task t: it has a parameter `user`, filled by HTTPBearer, which"
    ):
        Tasks().task(if_lost="alert", name="t")(task)


UNKNOWN = "has a type that is not known where the task is defined. Import it there, not under TYPE_CHECKING"


@pytest.mark.parametrize(
    ("annotation", "default", "why"),
    [
        (inspect.Parameter.empty, Depends(), "nothing says by what. Write Depends"),
        (Any, Depends(), "nothing says by what. Write Depends"),
        ("Hidden", Depends(), UNKNOWN),
        (Annotated[ForwardRef("Hidden"), Depends()], None, UNKNOWN),
        (int, Depends(5), "is to be filled by 5, which cannot be called. Give Depends a function"),
        (int, Depends("settings"), "is to be filled by 'settings', which cannot be called"),
    ],
)
@pytest.mark.parametrize("nested", [False, True])
def test_what_is_no_dependency_at_all(annotation: Any, default: Any, why: str, nested: bool) -> None:
    def outer(found: Any = default) -> None: ...
    def task(number: int, found: Any = Depends(outer) if nested else default) -> None: ...

    (outer if nested else task).__annotations__["found"] = annotation
    if annotation is inspect.Parameter.empty:
        del (outer if nested else task).__annotations__["found"]
    with pytest.raises(DefinitionError) as error:
        Tasks().task(if_lost="alert", name="t")(task)
    whose = "its dependency outer has" if nested else "it has"
    assert str(error.value).startswith(f"task t: {whose} a parameter `found")
    assert why in str(error.value)


def test_nothing_is_registered_then() -> None:
    tasks = Tasks()

    def task(session: Annotated[None, Depends(request)]) -> None: ...

    with pytest.raises(DefinitionError):
        tasks.task(if_lost="alert", name="t")(task)
    assert len(tasks.registry) == 0
