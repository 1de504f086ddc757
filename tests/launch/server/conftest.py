"""A server without a process: its services in a temporary folder, and a client of its application."""

import base64
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from launch.server.app import make_app
from launch.server.limits import ServeOptions
from launch.server.request import Services
from tests.launch.server.asgi import Client

KEY = "k" * 43
GRID = "method: grid\nprogram: train.py\nparameters:\n  x:\n    values: [{values}]\n"

Ask = Callable[..., Any]


@pytest.fixture
def options() -> ServeOptions:
    return ServeOptions(lease_seconds=60.0, grace_seconds=15.0)


@pytest.fixture
def services(tmp_path: Path, options: ServeOptions) -> Iterator[Services]:
    opened = Services.open(tmp_path, KEY, b"secret", options)
    yield opened
    opened.close()


@pytest.fixture
def client(services: Services) -> Client:
    return Client(make_app(services))


@pytest.fixture
def headers() -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"api:{KEY}".encode()).decode()}


@pytest.fixture
def ask(client: Client, headers: dict[str, str]) -> Ask:
    def run(query: str, status: int = 200, **variables: Any) -> Any:
        reply = client.post("/graphql", json={"query": query, "variables": variables}, headers=headers)
        assert reply.status_code == status, reply.text
        return reply.json()["data"] if status == 200 else reply.json()["error"]

    return run


@pytest.fixture
def stream(client: Client, headers: dict[str, str]) -> Callable[..., Any]:
    def send(run: str, payload: Any = None, status: int = 200) -> Any:
        content = {} if payload is None else payload
        reply = client.post(f"/files/local/p/{run}/file_stream", json=content, headers=headers)
        assert reply.status_code == status, reply.text
        return reply.json()

    return send


UPSERT = """mutation U($name: String, $config: JSONString, $state: String, $summary: JSONString,
    $tags: [String!]) {
  upsertBucket(input: {name: $name, modelName: "p", config: $config, state: $state, summaryMetrics: $summary,
                       tags: $tags}) { bucket { id name state config } inserted } }"""


@pytest.fixture
def make_run(ask: Ask) -> Callable[..., Any]:
    def make(name: str, **variables: Any) -> Any:
        return ask(UPSERT, name=name, **variables)["upsertBucket"]

    return make


@pytest.fixture
def make_sweep(ask: Ask) -> Callable[..., Any]:
    def make(values: str = "1, 2, 3", text: str | None = None) -> Any:
        query = """mutation S($config: String) { upsertSweep(input: {config: $config, projectName: "p"}) {
            sweep { id name state project { name entity { name } } } configValidationWarnings } }"""
        return ask(query, config=text or GRID.format(values=values))["upsertSweep"]["sweep"]

    return make


@pytest.fixture
def make_agent(ask: Ask) -> Callable[[str], str]:
    def make(sweep: str) -> str:
        query = """mutation A($sweep: String!) {
            createAgent(input: {host: "h", sweep: $sweep, projectName: "p"}) { agent { id } } }"""
        return str(ask(query, sweep=sweep)["createAgent"]["agent"]["id"])

    return make


@pytest.fixture
def beat(ask: Ask) -> Callable[..., Any]:
    def send(agent: str, *running: str, status: int = 200) -> Any:
        query = """mutation H($id: ID!, $runState: JSONString) {
            agentHeartbeat(input: {id: $id, metrics: "{}", runState: $runState}) { agent { id } commands } }"""
        import json

        reply = ask(query, status, id=agent, runState=json.dumps(dict.fromkeys(running, True)))
        return json.loads(reply["agentHeartbeat"]["commands"]) if status == 200 else reply

    return send
