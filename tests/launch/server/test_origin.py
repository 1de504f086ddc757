"""Pages of other sites change nothing, whatever they have a browser send, and wherever."""

import base64
from typing import Any

import pytest

from launch.server.app import make_app, routes
from launch.server.limits import ServeOptions
from launch.server.request import Services
from tests.launch.server.asgi import Client
from tests.launch.server.conftest import KEY

AUTH = {"authorization": "Basic " + base64.b64encode(f"api:{KEY}".encode()).decode()}
JSON = {"content-type": "application/json"}
MUTATION = {"query": 'mutation { upsertModel(input: {name: "planted"}) { inserted } }'}
FOREIGN = [
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site"},
    {"origin": "https://evil.example"},
    {"origin": "null"},
    {"origin": "http://["},
    {"origin": "http://127.0.0.1:9999"},
    {"origin": "http://127.0.0.1:8765.evil.example"},
    {"origin": "https://evil.example", "sec-fetch-site": "same-origin"},
]
OWN = [{}, {"sec-fetch-site": "same-origin", "origin": "http://127.0.0.1:8765"}, {"sec-fetch-site": "none"}]
WRITING = sorted(
    (method, route.path)
    for route in routes()
    for method in (getattr(route, "methods", None) or ())
    if method not in ("GET", "HEAD", "OPTIONS")
)


def filled(path: str) -> str:
    for name, value in {"{run:int}": "1", "{artifact:int}": "1", "{name:file}": "x", "{md5}": "0" * 32}.items():
        path = path.replace(name, value)
    return path.replace("{", "").replace("}", "")


def test_these_are_the_addresses_that_write() -> None:
    known = {"graphql", "files", "storage", "bulk", "change", "login", "logout"}
    assert {path.split("/")[1] for _, path in WRITING} == known


@pytest.mark.parametrize("headers", FOREIGN)
@pytest.mark.parametrize(("method", "path"), WRITING)
def test_nothing_is_taken_from_a_foreign_page(
    client: Client, method: str, path: str, headers: dict[str, str]
) -> None:
    reply = client.request(method, filled(path), json=MUTATION, headers=AUTH | headers)
    assert reply.status_code == 403
    assert "page of another site" in reply.json()["error"]


def test_nothing_was_changed(client: Client, ask: Any) -> None:
    for headers in FOREIGN:
        client.post("/graphql", json=MUTATION, headers=AUTH | headers)
    assert ask("{ models { edges { node { name } } } }")["models"]["edges"] == []
    for headers in OWN:
        assert client.post("/graphql", json=MUTATION, headers=AUTH | headers).status_code == 200
    assert len(ask("{ models { edges { node { name } } } }")["models"]["edges"]) == 1


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "", "a/b"]
)
@pytest.mark.parametrize("path", ["/graphql", "/files/local/p/r/file_stream", "/change/local/p/runs/r"])
def test_what_a_form_can_send_is_no_json(client: Client, path: str, kind: str) -> None:
    reply = client.request("POST", path, json=MUTATION, headers=AUTH | {"content-type": kind})
    assert reply.status_code == 415
    assert "application/json" in reply.json()["error"]


@pytest.mark.parametrize("kind", ["application/json", "application/json; charset=utf-8", "Application/JSON"])
def test_json_is_json_however_it_is_written(client: Client, kind: str) -> None:
    assert client.post("/graphql", json=MUTATION, headers=AUTH | {"content-type": kind}).status_code == 200


def test_behind_a_proxy_its_own_pages_are_those_of_the_proxy(services: Services) -> None:
    from dataclasses import replace

    lab = replace(services, options=ServeOptions(lab=True, proxy="https://lab.example"))
    client = Client(make_app(lab))
    for origin, status in (
        ("https://lab.example", 200),
        ("http://127.0.0.1:8765", 200),
        ("https://x.example", 403),
    ):
        reply = client.post("/graphql", json=MUTATION, headers=AUTH | {"origin": origin})
        assert reply.status_code == status, origin


def test_reading_is_not_asked(client: Client) -> None:
    for headers in FOREIGN:
        assert client.get("/healthz", headers=headers).status_code == 200
