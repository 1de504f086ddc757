"""The application's edges: who may ask, what every refusal looks like, and what the pages show."""

import base64
import json
import logging
import re
from typing import Any

import pytest

from launch.server.request import Services
from tests.launch.server.asgi import Client
from tests.launch.server.test_transfer import Uploader


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:9", "127.0.0.1", "127.0.0.1:8765", "[::1]", "[::1]:80", "LOCALHOST"]
)
def test_hosts_of_this_machine(client: Client, host: str) -> None:
    assert Client(client.app, host).get("/healthz").status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil", "evil:8765", "", "::1"]
)
def test_other_hosts_are_refused(client: Client, host: str) -> None:
    reply = Client(client.app, host).get("/healthz")
    assert reply.status_code == 403
    assert "localhost" in reply.json()["error"]


def basic(text: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(text.encode()).decode()}


@pytest.mark.parametrize(
    "given",
    [{}, basic("api:wrong"), basic("nocolon"), {"Authorization": "Basic !!"}, {"Authorization": "Bearer x"}],
)
@pytest.mark.parametrize("path", ["/graphql", "/files/local/p/r/file_stream"])
def test_without_the_key_nothing_is_done(client: Client, given: dict[str, str], path: str) -> None:
    reply = client.post(path, json={"query": "{ viewer { id } }"}, headers=given)
    assert reply.status_code == 401
    assert "API key" in reply.json()["error"]


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/graphql", b"not json", 400),
        ("POST", "/graphql", b"[]", 400),
        ("POST", "/graphql", b"{}", 400),
        ("POST", "/graphql", b'{"query": "{ nothing { id } }"}', 400),
        ("POST", "/graphql", b'{"query": "{ viewer { id } }", "variables": [1]}', 400),
        ("POST", "/graphql", b"[" * 100_000, 400),
        ("GET", "/graphql", b"", 405),
        ("POST", "/files/local/p/gone/file_stream", b"", 404),
        ("GET", "/storage/run/1/x", b"", 404),
        ("GET", "/storage/run/x/x", b"", 404),
        ("POST", "/sdk/otel/v1/traces", b"", 404),
    ],
)
def test_every_refusal_has_the_same_shape(
    client: Client, headers: Any, method: str, path: str, body: bytes, status: int
) -> None:
    reply = client.request(method, path, content=body, headers=headers)
    assert reply.status_code in (status, 405)
    told = reply.json()
    assert set(told) == {"data", "errors", "error"}
    assert told["data"] is None
    assert told["errors"] == [{"message": told["error"]}]
    assert told["error"]


def test_a_mistake_of_the_server_is_a_500_without_details(
    client: Client, headers: Any, monkeypatch: pytest.MonkeyPatch, services: Services
) -> None:
    def broken(*args: Any) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr("launch.server.app.graphql.execute", broken)
    reply = client.post("/graphql", json={"query": "{ viewer { id } }"}, headers=headers)
    assert reply.status_code == 500
    assert "secret" not in reply.text
    monkeypatch.undo()
    assert client.post("/graphql", json={"query": "{ viewer { id } }"}, headers=headers).status_code == 200


def test_bodies_are_bounded(client: Client, headers: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("launch.server.app.MAX_GRAPHQL_BODY", 100)
    assert client.post("/graphql", content=[b" " * 60, b" " * 60], headers=headers).status_code == 413


def test_a_failed_mutation_changes_nothing(ask: Any) -> None:
    query = """mutation { a: upsertBucket(input: {name: "x", modelName: "p"}) { inserted }
                          b: upsertBucket(input: {name: "a/b", modelName: "p"}) { inserted } }"""
    ask(query, 400)
    assert ask("{ models { edges { node { name } } } }")["models"]["edges"] == []


def test_login_queries(ask: Any) -> None:
    viewer = ask("{ viewer { id entity username email flags teams { edges { node { name } } } } }")["viewer"]
    assert (viewer["entity"], viewer["username"], json.loads(viewer["flags"])) == ("local", "local", {})
    names = ask("{ serverInfo { features { name isEnabled } } }")["serverInfo"]["features"]
    assert {"name": "FILESTREAM_GZIP", "isEnabled": True} in names
    assert ask('{ entity(name: "local") { organization { name } } }') == {"entity": {"organization": None}}
    assert ask('{ __type(name: "Project") { name fields { name } } }')["__type"]["name"] == "Project"


def test_projects(ask: Any) -> None:
    make = "mutation M($n: String) { upsertModel(input: {name: $n}) { project { name entityName } inserted } }"
    assert ask(make, n="a")["upsertModel"] == {"project": {"name": "a", "entityName": "local"}, "inserted": True}
    assert ask(make, n="a")["upsertModel"]["inserted"] is False
    ask(make, n="b")
    page = ask("{ models(first: 1) { edges { node { name isBenchmark } } pageInfo { endCursor hasNextPage } } }")[
        "models"
    ]
    assert page["edges"] == [{"node": {"name": "b", "isBenchmark": False}}]
    assert page["pageInfo"] == {"endCursor": "0", "hasNextPage": True}


NASTY = "<script>alert(1)</script>"


@pytest.fixture
def filled(
    ask: Any, client: Client, make_sweep: Any, make_agent: Any, beat: Any, make_run: Any, stream: Any
) -> str:
    """A project with everything in it; the sweep's name."""
    sweep = make_sweep("1, 2, 3")
    [run] = beat(make_agent(sweep["name"]))
    make_run(run["run_id"])
    make_run(
        "r",
        config=json.dumps({"lr": {"value": 0.5}, "bad": {"value": NASTY}}),
        tags=[NASTY],
        summary='{"acc": NaN}',
    )
    rows = [json.dumps({"_step": step, "loss": 1 / (step + 1), NASTY: step}) for step in range(50)] + [
        '{"_step": 50, "loss": NaN}'
    ]
    log = [f"ERROR 2026-01-01T00:00:00 {NASTY}"]
    stream(
        "r",
        {
            "files": {
                "wandb-history.jsonl": {"offset": 0, "content": rows},
                "output.log": {"offset": 0, "content": log},
            }
        },
    )
    query = """mutation { createRunFiles(input: {projectName: "p", runName: "r", files: ["media/a.png",
        "b.svg"]}) {
        files { uploadUrl } } }"""
    for file in ask(query)["createRunFiles"]["files"]:
        assert client.put(file["uploadUrl"].removeprefix("http://127.0.0.1:8765"), content=b"x").status_code == 200
    Uploader(ask, client).log({"a.txt": b"one"}, metadata=json.dumps({"k": NASTY}))
    return str(sweep["name"])


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/", ["p"]),
        ("/local", ["p"]),
        ("/authorize", ["api_key"]),
        ("/local/p", ["ds", "sweep-1", "3"]),
        ("/local/p/workspace", ["ds"]),
        ("/local/p/sweeps/{sweep}", ["wandb agent local/p/", "1 being worked on", "2 waiting"]),
        ("/local/p/runs/r", ["&#34;loss&#34;", "a.png", "ds:v0", "0.5", 'class="error"']),
        ("/local/p/runs/r/files", ["a.png"]),
        ("/local/p/artifacts/dataset/ds/v0", ["a.txt", "latest", "run-2"]),
        ("/local/p/artifacts/dataset/ds", ["a.txt"]),
        ("/static/style.css", ["--indigo"]),
    ],
)
def test_pages_open_and_escape(
    client: Client, filled: str, path: str, shown: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    reply = client.get(path.format(sweep=filled))
    assert reply.status_code == 200, reply.text
    for text in shown:
        assert text in reply.text, text
    assert NASTY not in reply.text
    scripts = re.findall(r"<script[^>]*>.{0,9}", reply.text)
    own = r'<script (type="module" )?src="/static/[\w/.]+\.js"( defer)?></script>'
    assert all(re.fullmatch(own, item) for item in scripts), scripts
    if not path.startswith("/static"):
        assert "default-src 'none'" in reply.headers["content-security-policy"]


def test_the_key_is_on_no_page(client: Client, filled: str) -> None:
    for path in ("/", "/authorize", "/local/p", "/local/p/runs/r"):
        assert "k" * 43 not in client.get(path).text


@pytest.mark.parametrize(
    "path",
    ["/local/gone", "/team/p", "/local/p/runs/gone", "/local/p/sweeps/gone", "/local/p/artifacts/dataset/gone/v0",
     "/local/p/artifacts/dataset/ds/v9"],
)  # fmt: skip
def test_pages_that_are_not_there(client: Client, filled: str, path: str) -> None:
    reply = client.get(path)
    assert (reply.status_code, reply.headers["content-type"]) == (404, "text/html; charset=utf-8")


def test_links_of_a_page_work_without_the_key(client: Client, filled: str) -> None:
    import html

    for page in ("/local/p/runs/r", "/local/p/artifacts/dataset/ds/v0"):
        links = [
            html.unescape(link) for link in re.findall(r'(?:href|src)="(/storage[^"]+)"', client.get(page).text)
        ]
        assert links
        assert all(client.get(link).status_code == 200 for link in links)


def test_unknown_fields_are_logged_with_their_operation(ask: Any, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert ask("query Probe { viewer { id shoeSize } }")["viewer"]["shoeSize"] is None
    assert "operation Probe asks for the unknown field 'shoeSize'" in caplog.text
