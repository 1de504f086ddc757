"""Makes the dumps beside this file: an old checkout's own server fills a folder, which is then written as SQL.

    python -m tests.launch.server.schemas.making CHECKOUT NAME

CHECKOUT is a folder with the source of an old version (`git archive COMMIT | tar x -C CHECKOUT`), NAME what the
dump is to be called. `NAME.sql` is its database, `NAME.json` the rest: files, keys, and what that server answered.
"""

import base64
import hashlib
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.launch.server.schemas.asking import Asker, Send

HERE = Path(__file__).parent
GRID = """name: grid
method: grid
metric: {name: loss, goal: minimize}
parameters:
  x: {values: [1, 2, 3, 4, 5, 6, 7]}
"""
RANDOM = """name: drawn
method: random
run_cap: 4
metric: {name: loss, goal: minimize}
parameters:
  lr: {min: 0.1, max: 0.9}
"""
UPSERT = """mutation U($e: String, $p: String, $n: String, $d: String, $c: JSONString, $s: JSONString,
    $t: [String!], $o: String, $g: String, $w: String) { upsertBucket(input: {entityName: $e, modelName: $p,
    name: $n, displayName: $d, config: $c, summaryMetrics: $s, tags: $t, notes: $o, groupName: $g, sweep: $w,
    jobType: "train", host: "node1", program: "train.py", commit: "0123abc"}) { bucket { id name } } }"""
SWEEP = """mutation S($e: String, $p: String, $c: String) { upsertSweep(input: {entityName: $e, projectName: $p,
    config: $c}) { sweep { id name } } }"""
AGENT = """mutation A($e: String, $p: String, $s: String!) { createAgent(input: {entityName: $e, projectName: $p,
    sweep: $s, host: "node1"}) { agent { id } } }"""
BEAT = """mutation H($a: ID!, $r: JSONString) { agentHeartbeat(input: {id: $a, metrics: "{}", runState: $r}) {
    commands } }"""
FILES = """mutation F($e: String, $p: String, $r: String, $f: [String!]) { createRunFiles(input: {entityName: $e,
    projectName: $p, runName: $r, files: $f}) { files { uploadUrl } } }"""
VERSION = """mutation A($e: String, $p: String, $r: String, $c: [String], $d: String, $m: JSONString,
    $a: [ArtifactAliasInput!], $t: Int) { createArtifact(input: {entityName: $e, projectName: $p, runName: $r,
    artifactTypeName: "model", digest: $d, artifactCollectionNames: $c, metadata: $m, description: $d,
    clientID: $d, aliases: $a, ttlDurationSeconds: $t}) { artifact { id } } }"""
PART = """mutation F($a: ID!, $m: String!, $n: String!) { createArtifactFiles(input: {artifactFiles:
    [{artifactID: $a, name: $n, md5: $m}]}) { files { edges { node { uploadUrl } } } } }"""
MANIFEST = """mutation M($a: ID!, $m: String!) { createArtifactManifest(input: {artifactID: $a, digest: $m}) {
    artifactManifest { file { uploadUrl } } } }"""
COMMIT = "mutation K($a: ID!) { commitArtifact(input: {artifactID: $a}) { artifact { id state } } }"
USE = """mutation U($a: ID!, $e: String!, $p: String!, $r: String!) { useArtifact(input: {artifactID: $a,
    entityName: $e, projectName: $p, runName: $r}) { artifact { id } } }"""
LINK = """mutation L($a: ID!, $e: String!, $p: String!) { linkArtifact(input: {artifactID: $a, entityName: $e,
    projectName: $p, artifactPortfolioName: "links", aliases: [{artifactCollectionName: "links",
    alias: "linked"}]}) { versionIndex } }"""
POLICY = {
    "version": 1, "storagePolicy": "wandb-storage-policy-v1", "storagePolicyConfig": {"storageLayout": "V2"},
}  # fmt: skip
"""What the client writes into every manifest, and wants to find there."""
DELETE = "mutation D($i: ID!) { deleteRun(input: {id: $i}) { success } }"
GONE = "mutation G($a: ID!) { deleteArtifact(input: {artifactID: $a}) { artifact { id state } } }"
PAUSED = 'mutation P($i: ID!) { upsertSweep(input: {id: $i, state: "PAUSED"}) { sweep { state } } }'


def over_http(url: str) -> Send:
    """Requests to a server."""

    def send(method: str, path: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, bytes]:
        request = urllib.request.Request(f"{url}{path}", data=body, method=method, headers=dict(headers))
        try:
            with urllib.request.urlopen(request, timeout=30) as reply:
                return reply.status, reply.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    return send


class OldServer:
    """The server of an old checkout, over a folder."""

    def __init__(self, checkout: Path, folder: Path, lease: float) -> None:
        self.checkout, self.folder = checkout, folder
        environment = {**os.environ, "PYTHONPATH": str(checkout), "SASHIKO_LEASE_SECONDS": str(lease)}
        environment = {name: value for name, value in environment.items() if not name.startswith("WANDB")}
        self.environment = environment
        command = [sys.executable, "-m", "launch.cli", "serve", "--dir", str(folder), "--port", "0"]
        quiet = subprocess.DEVNULL
        self.process = subprocess.Popen(command, cwd=checkout, env=environment, stdout=quiet, stderr=quiet)
        state = folder / "server.json"
        while not state.exists():
            assert self.process.poll() is None, "the old server did not start"
            time.sleep(0.05)
        self.url = json.loads(state.read_text())["url"]
        self.owner = self.asker((folder / "api_key").read_text().strip())

    def asker(self, key: str) -> Asker:
        return Asker(over_http(self.url), key)

    def command(self, *words: str) -> str | None:
        """What `sashiko serve …` prints; None if that version knows no such command."""
        done = subprocess.run(
            [sys.executable, "-m", "launch.cli", "serve", "--dir", str(self.folder), *words],
            cwd=self.checkout, env=self.environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        return done.stdout if done.returncode == 0 else None

    def __enter__(self) -> "OldServer":
        return self

    def __exit__(self, *error: object) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=30)


def rows(count: int, first: float) -> list[str]:
    return [json.dumps({"_step": step, "_timestamp": 1.7e9 + step, "loss": first / (1 + step),
                        "inner.acc": step / 100}) for step in range(count)]  # fmt: skip


def streams(who: Asker, entity: str, project: str, run: str, count: int, first: float) -> None:
    """Rows, events, console and a summary."""
    table = {"_type": "table-file", "path": "media/table/t_0.table.json", "ncols": 2, "nrows": 1, "size": 44}
    image = {"_type": "image-file", "path": "media/images/i_0.png", "format": "png", "width": 1, "height": 1}
    last = json.dumps({"_step": count, "t": table, "i": image})
    content = {
        "wandb-history.jsonl": {"offset": 0, "content": [*rows(count, first), last]},
        "wandb-events.jsonl": {"offset": 0, "content": [json.dumps({"system.cpu": 12.5, "_runtime": 3})]},
        "output.log": {"offset": 0, "content": [f"begin {run}\n", "Süd: 5 €\n"]},
        "wandb-summary.json": {"offset": 0, "content": [json.dumps({"loss": first / count, "t": table, "i": image,
                                                                     "nested": {"a": [1, None, "x"]}})]},
    }  # fmt: skip
    status, answer = who.post(f"/files/{entity}/{project}/{run}/file_stream", {"files": content})
    assert status == 200, answer


def ends(who: Asker, entity: str, project: str, run: str, code: int | None, **more: Any) -> None:
    body = more if code is None else {"complete": True, "exitcode": code, **more}
    status, answer = who.post(f"/files/{entity}/{project}/{run}/file_stream", body)
    assert status == 200, answer


def files(who: Asker, entity: str, project: str, run: str, contents: Mapping[str, bytes]) -> None:
    made = who.ask(FILES, e=entity, p=project, r=run, f=list(contents))["createRunFiles"]["files"]
    for node, body in zip(made, contents.values(), strict=True):
        who.put(node["uploadUrl"], body)


def b64(body: bytes) -> str:
    return base64.b64encode(hashlib.md5(body).digest()).decode()


def version(
    who: Asker, place: tuple[str, str], run: str | None, name: str, contents: Mapping[str, bytes],
    aliases: tuple[str, ...] = (), commit: bool = True, ttl: int | None = None,
) -> str:  # fmt: skip
    """A version of an artifact; its id."""
    entity, project = place
    digest = hashlib.md5(repr((name, sorted(contents.items()))).encode()).hexdigest()
    given = [{"artifactCollectionName": name, "alias": alias} for alias in ("latest", *aliases)]
    made = who.ask(VERSION, e=entity, p=project, r=run, c=[name], d=digest, m=json.dumps({"n": len(contents)}),
                   a=given, t=ttl)["createArtifact"]["artifact"]["id"]  # fmt: skip
    for path, body in contents.items():
        edges = who.ask(PART, a=made, m=b64(body), n=path)["createArtifactFiles"]["files"]["edges"]
        if edges[0]["node"]["uploadUrl"]:
            who.put(edges[0]["node"]["uploadUrl"], body)
    if not commit:
        return str(made)
    held = {path: {"digest": b64(body), "size": len(body)} for path, body in contents.items()}
    manifest = json.dumps({**POLICY, "contents": held}).encode()
    told = who.ask(MANIFEST, a=made, m=b64(manifest))["createArtifactManifest"]["artifactManifest"]
    who.put(told["file"]["uploadUrl"], manifest)
    who.ask(COMMIT, a=made)
    return str(made)


def claim(who: Asker, agent: str, *running: str) -> list[dict[str, Any]]:
    told = who.ask(BEAT, a=agent, r=json.dumps(dict.fromkeys(running, True)))["agentHeartbeat"]["commands"]
    return [item for item in json.loads(told) if item.get("type") in ("run", "resume")]


def begin(who: Asker, place: tuple[str, str], run: str, **more: Any) -> str:
    entity, project = place
    return str(who.ask(UPSERT, e=entity, p=project, n=run, **more)["upsertBucket"]["bucket"]["id"])


def take(who: Asker, sweep: str, agent: str, what: str, count: int) -> str:
    """The next point of the grid is begun, and logs; its run."""
    [told] = claim(who, agent)
    name = str(told["run_id"])
    begin(who, ("local", "first"), name, d=what, w=sweep, t=["a", what], o=f"notes of {what}", g="group",
          c=json.dumps({"x": {"value": told["args"]["x"]["value"]}, "_wandb": {"value": {}}}))  # fmt: skip
    streams(who, "local", "first", name, count, 2.0 - len(what) / 10)
    return name


def fill(server: OldServer) -> dict[str, Any]:
    """One of everything, while leases are long; what is to be said of it beside the database."""
    who, first, second = server.owner, ("local", "first"), ("local", "second")
    runs: dict[str, str] = {}
    sweep = who.ask(SWEEP, e="local", p="first", c=GRID)["upsertSweep"]["sweep"]
    agent = who.ask(AGENT, e="local", p="first", s=sweep["name"])["createAgent"]["agent"]["id"]
    for what in ("finished", "best", "failed"):
        runs[what] = take(who, sweep["name"], agent, what, 132 if what == "finished" else 3)
        ends(who, *first, runs[what], int(what == "failed"))
    files(who, *first, runs["finished"], {
        "config.yaml": b"x: 1\n", "media/table/t_0.table.json": b'{"columns": ["a", "b"], "data": [[1, "two"]]}',
        "media/images/i_0.png": base64.b64decode(
            "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg=="),
    })  # fmt: skip
    one = version(who, first, runs["finished"], "set", {"w.bin": b"weights one", "same.txt": b"same"}, ("best",))
    version(who, first, runs["best"], "set", {"w.bin": b"weights two", "same.txt": b"same"}, ("good",))
    gone = version(who, first, runs["best"], "gone", {"g.txt": b"to be deleted"})
    who.may(GONE, a=gone)
    pending = version(who, first, runs["finished"], "half", {"h.txt": b"half sent"}, commit=False)
    begin(who, second, "alone", d="alone", c=json.dumps({"lr": {"value": 0.5}}), t=["free"])
    streams(who, *second, "alone", 4, 1.0)
    who.ask(USE, a=one, e="local", p="second", r="alone")
    ends(who, *second, "alone", 0)
    fork = json.dumps({"_wandb": {"value": {"branch_point": {"run_id": "alone", "step": 2}}}})
    begin(who, second, "forked", d="forked", c=fork)
    who.post("/files/local/second/forked/file_stream", {"files": {"wandb-history.jsonl": {
        "offset": 3, "content": [json.dumps({"_step": 3, "loss": 0.01})]}}})  # fmt: skip
    ends(who, *second, "forked", 0)
    bad = begin(who, second, "deleted", d="deleted")
    streams(who, *second, "deleted", 2, 9.0)
    who.ask(DELETE, i=bad)
    who.may(LINK, a=one, e="local", p="second")
    version(who, second, "alone", "brief", {"b.txt": b"brief"}, ttl=10 * 365 * 24 * 3600)
    drawn = who.may(SWEEP, e="local", p="second", c=RANDOM)
    if drawn is not None:
        drawing = who.ask(AGENT, e="local", p="second", s=drawn["upsertSweep"]["sweep"]["name"])
        [told] = claim(who, drawing["createAgent"]["agent"]["id"])
        begin(who, second, told["run_id"], d="drawn", w=drawn["upsertSweep"]["sweep"]["name"],
              c=json.dumps({"lr": {"value": told["args"]["lr"]["value"]}}))  # fmt: skip
        streams(who, *second, told["run_id"], 2, 0.7)
        ends(who, *second, told["run_id"], 0)
    return {"runs": runs, "sweep": sweep["name"], "agent": agent, "pending": pending}


def people(server: OldServer) -> dict[str, str]:
    """North with a project that south may read, and their keys; nobody, where that version knows no users."""
    keys = {}
    for name in ("north", "south"):
        text = server.command("user", "add", name)
        found = re.search(r"shown this once: (\w{40})", text or "")
        if found is None:
            return {}
        keys[name] = found[1]
    north = server.asker(keys["north"])
    begin(north, ("north", "own"), "hers", d="hers")
    streams(north, "north", "own", "hers", 3, 1.0)
    ends(north, "north", "own", "hers", 0)
    begin(north, ("north", "shared"), "both", d="both")
    ends(north, "north", "shared", "both", 0)
    assert server.command("user", "share", "north/shared", "south") is not None
    server.command("quota", "north", "--runs", "100", "--bytes", "1GB")
    return keys


def lose(server: OldServer, made: dict[str, Any]) -> None:
    """A run falls silent, and is taken for lost."""
    who = server.owner
    name = made["runs"]["silent"] = take(who, made["sweep"], made["agent"], "silent", 3)
    end = time.monotonic() + 30
    query = 'query S($n: String!) { project(name: "first") { run(name: $n) { state } } }'
    while who.ask(query, n=name)["project"]["run"]["state"] != "crashed":
        assert time.monotonic() < end, "the silent run was not taken for lost"
        time.sleep(0.2)


def hold(server: OldServer, made: dict[str, Any]) -> None:
    """The point of the lost run is handed out again, and held; the next one is preempted."""
    who = server.owner
    other = made["holder"] = who.ask(AGENT, e="local", p="first", s=made["sweep"])["createAgent"]["agent"]["id"]
    held = made["runs"]["held"] = take(who, made["sweep"], other, "held", 2)
    third = who.ask(AGENT, e="local", p="first", s=made["sweep"])["createAgent"]["agent"]["id"]
    name = made["runs"]["preempted"] = take(who, made["sweep"], third, "preempted", 2)
    assert held != name
    ends(who, "local", "first", name, None, preempting=True)
    ends(who, "local", "first", name, 1)


def dumped(database: Path) -> str:
    with sqlite3.connect(database) as db:
        version = db.execute("PRAGMA user_version").fetchone()[0]
        text = "\n".join([*db.iterdump(), f"PRAGMA user_version = {version};", ""])
        return re.sub(r"(?<=,)(-?)Inf(?=[,)])", r"\g<1>9e999", text)


def blobs(folder: Path) -> dict[str, str]:
    """Every file by its name, in base64."""
    found = sorted(path for path in (folder / "blobs").glob("??/*") if path.is_file())
    return {path.name: base64.b64encode(path.read_bytes()).decode() for path in found}


def main(checkout: Path, name: str) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "state"
        with OldServer(checkout, folder, 3600) as server:
            made = fill(server)
            keys = people(server)
        with OldServer(checkout, folder, 2) as server:
            lose(server, made)
        with OldServer(checkout, folder, 3600) as server:
            hold(server, made)
            projects = [("local", "first"), ("local", "second")]
            projects += [("north", "own"), ("north", "shared")] if keys else []
            told = server.owner.told(projects)
            seen = {user: server.asker(key).sees(projects) for user, key in keys.items()}
        (HERE / f"{name}.sql").write_text(dumped(folder / "server.db"))
        rest = {**made, "keys": keys, "blobs": blobs(folder), "projects": projects, "seen": seen, "told": told}
        lines = [f"{json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}" for key, value in rest.items()]
        (HERE / f"{name}.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), sys.argv[2])
