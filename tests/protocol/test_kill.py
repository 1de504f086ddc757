"""The server is killed fifty times at random under load: what it acknowledged is there, once, and whole.

The load speaks the protocol directly, since the real client sends only once a second; `test_restart` shows the
real client through kills.
"""

import base64
import hashlib
import json
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from launch.server import upkeep
from launch.server.storage import open_store
from tests.protocol.conftest import Server

KILLS = 50
SEED = 7
POINTS = 4_000
AWAY = (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError)


@dataclass
class Load:
    """Clients that repeat whatever was not acknowledged, as the real one does, and note what was."""

    url: str
    key: str
    stop: threading.Event = field(default_factory=threading.Event)
    rows: dict[str, int] = field(default_factory=dict)
    points: list[tuple[str, int]] = field(default_factory=list)
    artifacts: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def send(self, session: requests.Session, method: str, path: str, **more: Any) -> requests.Response:
        while True:
            try:
                reply = session.request(method, self.url + path, timeout=10, auth=("api", self.key), **more)
            except AWAY:
                time.sleep(0.02)
                continue
            if reply.status_code >= 500:
                raise RuntimeError(f"{path}: {reply.status_code} {reply.text[:200]}")
            return reply

    def ask(self, session: requests.Session, query: str, **variables: Any) -> dict[str, Any]:
        reply = self.send(session, "POST", "/graphql", json={"query": query, "variables": variables})
        if reply.status_code != 200:
            raise RuntimeError(reply.text[:300])
        found: dict[str, Any] = reply.json()["data"]
        return found

    def guarded(self, work: Callable[[requests.Session], None]) -> Callable[[], None]:
        def run() -> None:
            try:
                with requests.Session() as session:
                    work(session)
            except Exception as error:  # told by the test, from the main thread
                self.errors.append(repr(error))

        return run

    def stream(self, session: requests.Session, name: str) -> None:
        """Rows of one run, seven at a time."""
        self.ask(session, UPSERT, name=name)
        offset = 0
        while not self.stop.is_set():
            content = [json.dumps({"_step": offset + index, "x": offset + index}) for index in range(7)]
            files = {"wandb-history.jsonl": {"offset": offset, "content": content}}
            path = f"/files/local/kill/{name}/file_stream"
            assert self.send(session, "POST", path, json={"files": files}).status_code == 200
            offset += 7
            self.rows[name] = offset

    def work(self, session: requests.Session, sweep: str) -> None:
        """Points of the sweep, one after the other."""
        agent = self.ask(session, AGENT, sweep=sweep)["createAgent"]["agent"]["id"]
        while not self.stop.is_set():
            told = self.ask(session, BEAT, id=agent)["agentHeartbeat"]["commands"]
            for command in json.loads(told):
                if command["type"] != "run":
                    continue
                name = command["run_id"]
                self.ask(session, UPSERT, name=name)
                done = {"complete": True, "exitcode": 0}
                reply = self.send(session, "POST", f"/files/local/kill/{name}/file_stream", json=done)
                assert reply.status_code == 200, reply.text
                self.points.append((name, command["args"]["x"]["value"]))

    def publish(self, session: requests.Session) -> None:
        """Artifacts of three files."""
        index = 0
        while not self.stop.is_set():
            bodies = {f"{part}.bin": f"{index} {part}".encode() * 500 for part in range(3)}
            contents = {name: {"digest": digest(body), "size": len(body)} for name, body in bodies.items()}
            manifest = json.dumps({"version": 1, "contents": contents}).encode()
            key = self.ask(session, CREATE, digest=f"d{index}")["createArtifact"]["artifact"]["id"]
            specs = [{"artifactID": key, "name": name, "md5": digest(body)} for name, body in bodies.items()]
            edges = self.ask(session, FILES, files=specs)["createArtifactFiles"]["files"]["edges"]
            for edge, body in zip(edges, bodies.values(), strict=True):
                self.put(session, edge["node"]["uploadUrl"], body)
            made = self.ask(session, MANIFEST, artifact=key, digest=digest(manifest))["createArtifactManifest"]
            self.put(session, made["artifactManifest"]["file"]["uploadUrl"], manifest)
            done = self.ask(session, COMMIT, artifact=key)["commitArtifact"]["artifact"]
            assert done["state"] == "COMMITTED"
            self.artifacts.append(f"d{index}")
            index += 1

    def put(self, session: requests.Session, url: str | None, body: bytes) -> None:
        if url is not None:  # the bytes are there already: the reply to an earlier upload was lost
            parts = urlsplit(url)
            reply = self.send(session, "PUT", f"{parts.path}?{parts.query}", data=body)
            assert reply.status_code == 200, reply.text


def digest(body: bytes) -> str:
    return base64.b64encode(hashlib.md5(body).digest()).decode()


UPSERT = 'mutation U($name: String) { upsertBucket(input: {name: $name, modelName: "kill"}) { bucket { id } } }'
SWEEP = """mutation S($config: String) { upsertSweep(input: {config: $config, projectName: "kill"})
    { sweep { name } } }"""
AGENT = """mutation A($sweep: String!) { createAgent(input: {host: "h", sweep: $sweep, projectName: "kill"})
    { agent { id } } }"""
BEAT = 'mutation H($id: ID!) { agentHeartbeat(input: {id: $id, metrics: "{}", runState: "{}"}) { commands } }'
CREATE = """mutation C($digest: String!) { createArtifact(input: {projectName: "kill", digest: $digest,
    artifactTypeName: "data", artifactCollectionNames: ["set"], enableDigestDeduplication: true})
    { artifact { id } } }"""
FILES = """mutation F($files: [CreateArtifactFileSpecInput!]!) {
    createArtifactFiles(input: {artifactFiles: $files}) { files { edges { node { uploadUrl } } } } }"""
MANIFEST = """mutation M($artifact: ID!, $digest: String!) { createArtifactManifest(input: {artifactID: $artifact,
    digest: $digest, name: "wandb_manifest.json"}) { artifactManifest { file { uploadUrl } } } }"""
COMMIT = "mutation K($artifact: ID!) { commitArtifact(input: {artifactID: $artifact}) { artifact { state } } }"


@contextmanager
def under_load(server: Server) -> Iterator[Load]:
    load = Load(server.info.url, server.info.key)
    with requests.Session() as session:
        values = ", ".join(map(str, range(POINTS)))
        config = f"method: grid\nprogram: t.py\nparameters:\n  x:\n    values: [{values}]\n"
        sweep = load.ask(session, SWEEP, config=config)["upsertSweep"]["sweep"]["name"]
    jobs = [lambda session, name=f"s{index}": load.stream(session, name) for index in range(3)]
    jobs += [lambda session: load.work(session, sweep)] * 2 + [load.publish]
    threads = [threading.Thread(target=load.guarded(job)) for job in jobs]
    with ExitStack() as stack:
        for thread in threads:
            thread.start()
            stack.callback(thread.join, 60)
        stack.callback(load.stop.set)
        yield load


@pytest.mark.slow
@pytest.mark.timeout(420)
def test_fifty_kills_at_random_lose_and_double_nothing(tmp_path: Path) -> None:
    server = Server(tmp_path / "state", {"SASHIKO_LEASE_SECONDS": "600"}).start()
    chance = random.Random(SEED)
    try:
        with under_load(server) as load:
            for _ in range(KILLS):
                time.sleep(chance.uniform(0.02, 0.5))
                server.end(signal.SIGKILL)
                server.start()
            time.sleep(0.5)
        assert load.errors == []
    finally:
        server.end()
    assert upkeep.verify(server.directory).problems == []
    assert min(load.rows.values()) > 100
    assert len(load.points) > 10
    assert len(load.artifacts) > 10
    check(server.directory, load)


def check(directory: Path, load: Load) -> None:
    """What the database holds against what was acknowledged."""
    store = open_store(directory / "server.db")
    try:
        with store.read() as tables:
            project = tables.projects.by_name("kill")
            assert project is not None
            for name, count in load.rows.items():
                run = tables.runs.by_name(project["id"], name)
                assert run is not None
                rows = [json.loads(text)["x"] for text in tables.lines.texts(run["id"], "history")]
                assert rows == list(range(len(rows)))
                assert len(rows) >= count
            collection = tables.collections.by_name(project["id"], "set")
            assert collection is not None
            db = tables.runs._db
            committed = db.execute("SELECT digest, file_count FROM artifacts WHERE state = 'COMMITTED'").fetchall()
            assert {row["file_count"] for row in committed} == {3}
            assert Counter(row["digest"] for row in committed) >= Counter(load.artifacts)
            assert max(Counter(row["digest"] for row in committed).values()) == 1
            ended = db.execute("SELECT run_id, args FROM points WHERE state = 'ended'").fetchall()
            by_run = {row["run_id"]: json.loads(row["args"])["x"] for row in ended}
            finished = db.execute("SELECT id, name, config FROM runs WHERE state = 'finished'").fetchall()
            swept = {row["name"]: json.loads(row["config"])["x"]["value"] for row in finished}
            assert {row["id"] for row in finished} == set(by_run)
            assert dict(load.points).items() <= swept.items()
            assert max(Counter(swept.values()).values()) == 1
    finally:
        store.close()
