"""Browsers: they log in with a form, stay logged in for a time, and log out."""

import re
import time
from typing import Any
from urllib.parse import urlencode

import pytest

from launch.server.app import make_app
from launch.server.browsers import COOKIE, next_of
from launch.server.limits import ServeOptions
from launch.server.request import Services
from launch.server.storage.users import digest_of
from tests.launch.server.asgi import Client, Reply
from tests.launch.server.conftest import KEY
from tests.launch.server.marked import make_version, person
from tests.launch.server.people import Person

FORM = {"content-type": "application/x-www-form-urlencoded"}


@pytest.fixture
def options() -> ServeOptions:
    return ServeOptions(lab=True)


@pytest.fixture
def north(services: Services, client: Client) -> Person:
    made = person(services, client, "north")
    make_version(made, "p", None, "mark", "set")
    return made


def log_in(client: Client, key: str, goal: str = "/", **headers: str) -> Reply:
    body = urlencode({"key": key, "next": goal}).encode()
    return client.post("/login", content=body, headers=FORM | headers)


def cookie_of(reply: Reply) -> dict[str, str]:
    found = re.match(rf"{COOKIE}=([^;]+)", reply.headers["set-cookie"])
    assert found
    return {"cookie": f"{COOKIE}={found[1]}"}


def test_a_browser_is_sent_to_the_form_and_back(client: Client, north: Person) -> None:
    asked = client.get("/north/p?page=2")
    assert (asked.status_code, asked.headers["location"]) == (303, "/login?next=%2Fnorth%2Fp%3Fpage%3D2")
    shown = client.get(asked.headers["location"])
    assert shown.status_code == 200
    assert 'name="next" value="/north/p?page=2"' in shown.text
    assert "form-action 'self'" in shown.headers["content-security-policy"]
    assert shown.headers["referrer-policy"] == "same-origin"  # or the form comes with `Origin: null`
    opened = log_in(client, north.key, "/north/p?page=2")
    assert (opened.status_code, opened.headers["location"]) == (303, "/north/p?page=2")
    flags = opened.headers["set-cookie"].lower()
    assert all(flag in flags for flag in ("httponly", "samesite=strict", "max-age=43200", "path=/"))
    assert "secure" not in flags
    assert north.key not in opened.headers["set-cookie"]
    page = client.get("/north/p", headers=cookie_of(opened))
    assert page.status_code == 200
    assert "north</span>" in page.text
    assert "Log out" in page.text


def test_a_wrong_key_is_told_on_the_form(client: Client, north: Person) -> None:
    refused = log_in(client, "wrong" * 8, "/north/p")
    assert refused.status_code == 401
    assert "not an API key of this server" in refused.text
    assert 'value="/north/p"' in refused.text
    assert "set-cookie" not in refused.headers
    assert "www-authenticate" not in refused.headers
    assert client.post("/login", content=b"x=" + b"y" * 9000, headers=FORM).status_code == 413


def test_the_cookie_is_good_for_pages_alone(client: Client, north: Person) -> None:
    cookie = cookie_of(log_in(client, north.key))
    query = {"query": 'mutation { upsertModel(input: {name: "planted"}) { inserted } }'}
    assert client.post("/graphql", json=query, headers=cookie).status_code == 401
    assert client.post("/graphql", json={"query": "{ viewer { id } }"}, headers=cookie).status_code == 401
    assert client.post("/files/north/p/r/file_stream", json={}, headers=cookie).status_code == 401
    south = cookie_of(log_in(client, person(north.client.app.state.services, client, "south").key))
    assert client.get("/north/p", headers=south).status_code == 404


def test_a_session_ends(
    client: Client, north: Person, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    def works(cookie: dict[str, str]) -> bool:
        return client.get("/north/p", headers=cookie).status_code == 200

    first, second, third = (cookie_of(log_in(client, north.key)) for _ in range(3))
    assert works(first)
    left = client.post("/logout", headers=FORM | first)
    assert (left.status_code, left.headers["location"]) == (303, "/login")
    assert "max-age=0" in left.headers["set-cookie"].lower()
    assert (works(first), works(second)) == (False, True)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 12 * 3600 - 5)
    assert works(second)
    monkeypatch.setattr(time, "time", lambda: now + 12 * 3600 + 5)
    assert not works(second)
    monkeypatch.undo()
    assert works(third)
    with services.store.write() as tables:
        user = tables.users.by_name("north")
        assert user is not None
        tables.users.drop_keys(user["id"])
    assert not works(third)
    assert not works({"cookie": f"{COOKIE}=made-up"})


def test_no_cookie_can_be_read_off_the_database(client: Client, north: Person, services: Services) -> None:
    token = cookie_of(log_in(client, north.key))["cookie"].partition("=")[2]
    with services.store.read() as tables:
        rows = tables.sessions._db.execute("SELECT * FROM sessions").fetchall()
    assert [row["digest"] for row in rows] == [digest_of(token)]
    assert all(token not in str(tuple(row)) and north.key not in str(tuple(row)) for row in rows)


def test_the_owner_logs_in_on_the_servers_own_machine(services: Services, north: Person) -> None:
    app = make_app(services)
    here, elsewhere = Client(app), Client(app, peer="10.1.2.3")
    opened = log_in(here, KEY)
    assert opened.status_code == 303
    assert here.get("/north/p", headers=cookie_of(opened)).status_code == 200
    assert elsewhere.get("/north/p", headers=cookie_of(opened)).status_code == 303
    assert log_in(elsewhere, KEY).status_code == 403


def test_behind_tls_the_cookie_is_for_tls_only(services: Services, north: Person) -> None:
    from dataclasses import replace

    app = make_app(replace(services, options=ServeOptions(lab=True, proxy="https://lab.example")))
    assert "secure" in log_in(Client(app), north.key).headers["set-cookie"].lower()


@pytest.mark.parametrize(
    "goal",
    [
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "javascript:alert(1)",
        "evil",
        "",
        "/a\nb",
        "//[",
        "http://[",
    ],
)
def test_the_way_back_stays_on_this_server(client: Client, north: Person, goal: str) -> None:
    assert next_of(goal) == "/"
    assert log_in(client, north.key, goal).headers["location"] == "/"


def test_a_foreign_page_logs_nobody_in_or_out(client: Client, north: Person) -> None:
    cookie = cookie_of(log_in(client, north.key))
    foreign = {"origin": "https://evil.example", "sec-fetch-site": "cross-site"}
    assert log_in(client, north.key, "/", **foreign).status_code == 403
    assert client.post("/logout", headers=FORM | foreign | cookie).status_code == 403
    assert client.get("/north/p", headers=cookie).status_code == 200


def test_nobody_logs_in_where_nobody_has_to(tmp_path: Any) -> None:
    alone = Services.open(tmp_path / "alone", KEY, b"secret", ServeOptions())
    try:
        page = Client(make_app(alone)).get("/")
        assert page.status_code == 200
        assert "Log out" not in page.text
    finally:
        alone.close()
