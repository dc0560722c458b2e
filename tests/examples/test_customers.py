"""Whose an import is, and forms that another site sends in a customer's name."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
from fastapi.testclient import TestClient

from tests.examples.conftest import BROWSER, as_browser, upload
from tests.examples.csv_rows import HEADER, row

Imported = Callable[[bytes], dict[str, Any]]


def test_the_cookie_is_random_and_closed_to_scripts_and_other_sites(
    main: ModuleType, idle: TestClient
) -> None:
    said = TestClient(main.app).get("/").headers["set-cookie"]
    for part in ("HttpOnly", "SameSite=lax", "Path=/", "Max-Age=31536000"):
        assert part in said
    assert "Secure" not in said
    assert "set-cookie" not in idle.get("/").headers  # it is known from now on
    safe = TestClient(main.app, base_url="https://testserver").get("/").headers["set-cookie"]
    assert "Secure" in safe
    assert safe.split(";")[0] != said.split(";")[0]


@pytest.mark.parametrize("value", ["", "short", "x" * 33, "x" * 31 + "'"])
def test_a_cookie_that_is_not_ours_is_replaced(main: ModuleType, idle: TestClient, value: str) -> None:
    assert "set-cookie" in TestClient(main.app, cookies={"customer": value}).get("/").headers


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/imports/{}"),
        ("GET", "/imports/{}/progress"),
        ("GET", "/imports/{}/rejected.csv"),
        ("POST", "/imports/{}/cancel"),
        ("GET", "/status/{}"),
        ("GET", "/status/{}/events"),
    ],
)
def test_the_import_of_somebody_else_is_as_unknown_as_none(
    main: ModuleType, client: TestClient, imported: Imported, method: str, path: str
) -> None:
    theirs = imported(HEADER + row(departed=b"x"))["id"]
    unknown = "00000000-0000-7000-8000-000000000000"
    me = TestClient(main.app)
    me.get("/")
    answers = [me.request(method, path.format(each)) for each in (theirs, unknown)]
    assert [each.status_code for each in answers] == [404, 404]
    assert answers[0].content == answers[1].content
    pages = [as_browser(me).request(method, path.format(each)) for each in (theirs, unknown)]
    assert [each.status_code for each in pages] == [404, 404]
    assert pages[0].content == pages[1].content
    assert theirs not in as_browser(me).get("/").text


@pytest.mark.parametrize("path", ["/imports", "/subscribe", "/imports/{}/cancel"])
@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "cross-site", "origin": "http://testserver"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://testserver:8080"},
    ],
    ids=str,
)
def test_a_form_of_another_site_does_nothing(idle: TestClient, path: str, headers: dict[str, str]) -> None:
    import_id = upload(idle, HEADER + row()).json()["id"]
    form: dict[str, Any] = {"data": {"email": "ada@example.org"}, "files": {"file": HEADER + row(2)}}
    answer = idle.post(path.format(import_id), headers=headers, **form)
    assert answer.status_code == 403
    assert answer.json() == {"detail": "This form was sent from another site, so nothing was done."}
    assert idle.get(f"/imports/{import_id}").json()["state"] == "waiting"
    page = as_browser(idle).get("/").text
    assert "0 subscribed" in page
    assert page.count("/imports/") == 1


@pytest.mark.parametrize(
    "headers",
    [{}, {"sec-fetch-site": "none"}, {"sec-fetch-site": "same-origin"}, {"origin": "http://testserver"}],
    ids=str,
)
def test_our_own_forms_and_programs_are_served(idle: TestClient, headers: dict[str, str]) -> None:
    assert idle.post("/subscribe", data={"email": "ada@example.org"}, headers=headers).status_code == 204


@pytest.mark.parametrize("path", ["/", "/nowhere"])
def test_a_page_lets_nothing_in_but_our_own_files(idle: TestClient, path: str) -> None:
    answer = TestClient(idle.app, headers=BROWSER).get(path)
    policy = dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["form-action"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert "<script>" not in answer.text
    assert "style=" not in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
