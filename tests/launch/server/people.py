"""People with keys, and one of each thing that a person can make on the server."""

import base64
import hashlib
import json
from dataclasses import dataclass
from typing import Any

from tests.launch.server.asgi import Client, Reply
from tests.launch.server.conftest import GRID, UPSERT


@dataclass
class Person:
    """Somebody with a key who sends requests."""

    client: Client
    key: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": "Basic " + base64.b64encode(f"api:{self.key}".encode()).decode()}

    def send(self, query: str, **variables: Any) -> Reply:
        return self.client.post("/graphql", json={"query": query, "variables": variables}, headers=self.headers)

    def ask(self, query: str, **variables: Any) -> Any:
        reply = self.send(query, **variables)
        assert reply.status_code == 200, reply.text
        return reply.json()["data"]

    def refused(self, query: str, **variables: Any) -> int:
        reply = self.send(query, **variables)
        assert reply.status_code >= 400, reply.text
        return reply.status_code


@dataclass
class Things:
    """What one user made: a run with rows and a file, a sweep with an agent, an artifact."""

    run: str
    run_name: str
    file_url: str
    sweep: str
    sweep_name: str
    agent: str
    artifact: str
    collection: str
    md5: str


def begin_sweep(who: Person) -> dict[str, str]:
    """A grid of two points: its id and name."""
    sweep: dict[str, str] = who.ask(
        'mutation S($c: String) { upsertSweep(input: {config: $c, projectName: "p"}) { sweep { id name } } }',
        c=GRID.format(values="1, 2"),
    )["upsertSweep"]["sweep"]
    return sweep


def begin_agent(who: Person, sweep: str) -> str:
    """An agent of a sweep: its id."""
    return str(
        who.ask(
            'mutation A($s: String!) { createAgent(input: {sweep: $s, projectName: "p"}) { agent { id } } }',
            s=sweep,
        )["createAgent"]["agent"]["id"]
    )


def make_things(who: Person) -> Things:
    run = who.ask(UPSERT, name="r1")["upsertBucket"]["bucket"]
    files = who.ask(
        'mutation { createRunFiles(input: {projectName: "p", runName: "r1", files: ["a.txt"]})'
        " { files { uploadUrl } } }"
    )
    url = files["createRunFiles"]["files"][0]["uploadUrl"].split("8765", 1)[1]
    assert who.client.put(url, content=b"hello").status_code == 200
    sweep = begin_sweep(who)
    agent = begin_agent(who, sweep["name"])
    made = who.ask(
        'mutation { createArtifact(input: {projectName: "p", runName: "r1", artifactTypeName: "t", digest: "d",'
        ' artifactCollectionNames: ["set"]}) { artifact { id artifactSequence { id } } } }'
    )["createArtifact"]["artifact"]
    body = b"some bytes of an artifact"
    md5 = hashlib.md5(body).digest()
    address = who.ask(
        "mutation F($a: ID!, $m: String!) { createArtifactFiles(input: {artifactFiles:"
        ' [{artifactID: $a, name: "x", md5: $m}]}) { files { edges { node { uploadUrl } } } } }',
        a=made["id"], m=base64.b64encode(md5).decode(),
    )["createArtifactFiles"]["files"]["edges"][0]["node"]["uploadUrl"]  # fmt: skip
    assert who.client.put(address.split("8765", 1)[1], content=body).status_code == 200
    entry = {"digest": base64.b64encode(md5).decode(), "size": len(body)}
    manifest = json.dumps({"contents": {"x": entry}}).encode()
    announced = who.ask(
        "mutation M($a: ID!, $m: String!) { createArtifactManifest(input: {artifactID: $a, digest: $m})"
        " { artifactManifest { file { uploadUrl } } } }",
        a=made["id"], m=base64.b64encode(hashlib.md5(manifest).digest()).decode(),
    )["createArtifactManifest"]["artifactManifest"]["file"]["uploadUrl"]  # fmt: skip
    assert who.client.put(announced.split("8765", 1)[1], content=manifest).status_code == 200
    who.ask("mutation K($a: ID!) { commitArtifact(input: {artifactID: $a}) { artifact { id } } }", a=made["id"])
    return Things(
        run["id"], "r1", url, sweep["id"], sweep["name"], agent, made["id"],
        made["artifactSequence"]["id"], md5.hex(),
    )  # fmt: skip
