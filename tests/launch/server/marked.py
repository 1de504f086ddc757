"""A lab of several people whose things bear marks: texts and bytes show what was told to whom."""

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from launch.server.auth import THE_OWNER, Caller
from launch.server.request import Services
from tests.launch.server.asgi import Client
from tests.launch.server.people import Person

ANNOUNCE = """mutation M($a: ID!, $m: String!, $b: ID, $t: ArtifactManifestType) { createArtifactManifest(input:
    {artifactID: $a, digest: $m, baseArtifactID: $b, type: $t}) { artifactManifest { file { uploadUrl } } } }"""
BASE = "http://127.0.0.1:8765"


def person(services: Services, client: Client, name: str) -> Person:
    key = hashlib.sha256(name.encode()).hexdigest()[:40]
    with services.store.write() as tables:
        known = tables.users.by_name(name)
        tables.users.add_key(tables.users.add(name) if known is None else known["id"], key, read_only=False)
    return Person(client, key)


def put(who: Person, url: str, body: bytes) -> int:
    return who.client.put(url.removeprefix(BASE), content=body).status_code


def b64(body: bytes) -> str:
    return base64.b64encode(hashlib.md5(body).digest()).decode()


def begin_version(
    who: Person, project: str, collection: str, mark: str, run: str | None = None, entity: str | None = None
) -> str:
    """A version that holds nothing yet; its global id."""
    made = who.ask(
        "mutation A($e: String, $p: String, $r: String, $c: [String], $m: JSONString, $t: String) {"
        " createArtifact(input: {entityName: $e, projectName: $p, runName: $r, artifactTypeName: $t, digest: $m,"
        " artifactCollectionNames: $c, metadata: $m, description: $m, clientID: $m, aliases: [],"
        " tags: [{tagName: $m}]}) { artifact { id } } }",
        e=entity, p=project, r=run, c=[collection], m=json.dumps({"k": mark}), t="kind",
    )["createArtifact"]["artifact"]["id"]  # fmt: skip
    return str(made)


def address_of(who: Person, artifact: str, name: str, body: bytes) -> str | None:
    """Where to send a file of a version; None if it need not be sent."""
    node = who.ask(
        "mutation F($a: ID!, $m: String!, $n: String!) { createArtifactFiles(input: {artifactFiles:"
        " [{artifactID: $a, name: $n, md5: $m}]}) { files { edges { node { uploadUrl } } } } }",
        a=artifact, m=b64(body), n=name,
    )["createArtifactFiles"]["files"]["edges"][0]["node"]  # fmt: skip
    url: str | None = node["uploadUrl"]
    return url


def announced(who: Person, artifact: str, manifest: bytes, kind: str = "FULL", base: str | None = None) -> str:
    """Where to send a manifest."""
    made = who.ask(ANNOUNCE, a=artifact, m=b64(manifest), b=base, t=kind)["createArtifactManifest"]
    return str(made["artifactManifest"]["file"]["uploadUrl"])


def send_manifest(who: Person, artifact: str, files: Mapping[str, bytes], **more: str) -> int:
    """Announce and send a manifest that names these files, whether or not they were sent; the status."""
    contents = {name: {"digest": b64(body), "size": len(body)} for name, body in files.items()}
    manifest = json.dumps({"contents": contents, **more}).encode()
    return put(who, announced(who, artifact, manifest), manifest)


def send_part(who: Person, artifact: str, files: Mapping[str, bytes], kind: str, base: str | None) -> None:
    """A manifest with a base, as the client sends it for drafts and for what is added to a version."""
    contents = {name: {"digest": b64(body), "size": len(body)} for name, body in files.items()}
    manifest = json.dumps({"contents": contents}).encode()
    assert put(who, announced(who, artifact, manifest, kind, base), manifest) == 200


COMMIT = "mutation K($a: ID!) { commitArtifact(input: {artifactID: $a}) { artifact { id state } } }"


def make_version(who: Person, project: str, run: str | None, mark: str, collection: str) -> str:
    """A version with a file, all of it marked; its global id."""
    made = begin_version(who, project, collection, mark, run)
    files = {f"{mark}.txt": f"bytes {mark}".encode()}
    for name, body in files.items():
        url = address_of(who, made, name, body)
        assert url is not None
        assert put(who, url, body) == 200
    assert send_manifest(who, made, files, mark=mark) == 200
    who.ask(COMMIT, a=made)
    return made


def make_project(who: Person, user: str, project: str, mark: str) -> list[str]:
    """A project with a run, a sweep with an agent and a run, a collection with two versions; the versions' ids."""
    who.ask(
        "mutation R($p: String, $n: String, $c: JSONString) { upsertBucket(input: {modelName: $p, name: $n,"
        " config: $c, summaryMetrics: $c, notes: $n, groupName: $n, jobType: $n, host: $n, tags: [$n]})"
        " { bucket { id } } }",
        p=project, n=f"run_{mark}", c=json.dumps({"k": {"value": mark}}),
    )  # fmt: skip
    rows = [json.dumps({"_step": 0, f"key_{mark}": mark})]
    content = {
        "wandb-history.jsonl": {"offset": 0, "content": rows},
        "wandb-events.jsonl": {"offset": 0, "content": rows},
        "output.log": {"offset": 0, "content": [f"said {mark}"]},
    }
    address = f"/files/{user}/{project}/run_{mark}/file_stream"
    assert who.client.post(address, json={"files": content}, headers=who.headers).status_code == 200
    made = who.ask(
        "mutation F($p: String, $r: String, $f: [String!]) { createRunFiles(input: {projectName: $p, runName: $r,"
        " files: $f}) { files { uploadUrl } } }",
        p=project, r=f"run_{mark}", f=[f"{mark}.log"],
    )["createRunFiles"]["files"][0]["uploadUrl"]  # fmt: skip
    assert put(who, made, f"file {mark}".encode()) == 200
    sweep = who.ask(
        "mutation S($p: String, $c: String) { upsertSweep(input: {projectName: $p, config: $c})"
        " { sweep { name } } }",
        p=project, c=f"name: {mark}\nmethod: grid\nparameters: {{x: {{values: ['{mark}']}}}}",
    )["upsertSweep"]["sweep"]["name"]  # fmt: skip
    agent = who.ask(
        "mutation A($p: String, $s: String!, $h: String) { createAgent(input: {projectName: $p, sweep: $s,"
        " host: $h}) { agent { id } } }",
        p=project, s=sweep, h=f"host_{mark}",
    )["createAgent"]["agent"]["id"]  # fmt: skip
    who.ask('mutation H($a: ID!) { agentHeartbeat(input: {id: $a, runState: "{}"}) { commands } }', a=agent)
    return [make_version(who, project, f"run_{mark}", f"{mark}v{number}", f"set_{mark}") for number in (0, 1)]


@dataclass
class Lab:
    """Everything that is there: `pool` holds names and ids to ask for."""

    services: Services
    client: Client
    callers: Mapping[str, tuple[Caller, set[str]]]
    pool: dict[str, list[Any]] = field(default_factory=dict)


def make_lab(services: Services, client: Client) -> Lab:
    """North has a project that nobody sees, one that is shared for reading and one for writing.

    A version of the hidden one is linked into the project `links`, which is shared with one who is to see no more.
    """
    people = {name: person(services, client, name) for name in ("north", "south", "reader", "writer", "linked")}
    north = people["north"]
    hidden = make_project(north, "north", "hidden", "markHidden")
    make_project(north, "north", "shown", "markShown")
    make_project(north, "north", "given", "markGiven")
    make_project(people["south"], "south", "own", "markSouth")
    make_project(people["linked"], "linked", "mine", "markLinked")
    link = (
        "mutation L($a: ID!) { linkArtifact(input: {artifactID: $a, projectName: $p, entityName: $e,"
        ' artifactPortfolioName: "folder_markFolder", aliases: [{alias: "markFolder"}]}) { versionIndex } }'
    )
    north.ask('mutation { upsertModel(input: {name: "links"}) { inserted } }')
    north.ask(link.replace("$p", '"links"').replace("$e", '"north"'), a=hidden[0])
    north.ask(
        'mutation U($a: ID!) { useArtifact(input: {artifactID: $a, projectName: "hidden",'
        ' runName: "run_markHidden"}) { artifact { id } } }',
        a=hidden[0],
    )
    with services.store.write() as tables:
        users = {name: tables.users.by_name(name)["id"] for name in people}  # type: ignore[index]
        for project, name, role in (
            ("shown", "reader", "read"), ("given", "writer", "write"), ("links", "linked", "read"),
        ):  # fmt: skip
            found = tables.projects.by_name(project, users["north"])
            assert found is not None
            tables.projects.share(found["id"], users[name], role)
    norths = {"markHidden", "markShown", "markGiven", "markFolder"}
    norths |= {f"{mark}v{n}" for mark in ("markHidden", "markShown", "markGiven") for n in (0, 1)}
    others = ("markSouth", "markLinked")
    every = norths | {*others} | {f"{mark}v{n}" for mark in others for n in (0, 1)}
    as_caller = {name: Caller(key, name) for name, key in users.items()}

    def marks(*names: str) -> set[str]:
        return {mark for mark in every if mark in names or mark[:-2] in names}

    made = Lab(
        services,
        client,
        {
            "stranger": (as_caller["south"], marks("markSouth")),
            "read-only key": (replace(as_caller["north"], read_only=True), norths),
            "reader": (as_caller["reader"], marks("markShown")),
            "reader by link": (as_caller["linked"], marks("markLinked") | {"markHiddenv0", "markFolder"}),
            "writer": (as_caller["writer"], marks("markGiven")),
            "maker": (as_caller["north"], norths),
            "owner": (THE_OWNER, every),
        },
    )
    made.pool = pool_of(services, every)
    return made


def pool_of(services: Services, marks: set[str]) -> dict[str, list[Any]]:
    """Values for every argument: what is there by its right name, and by every id."""
    ids = [
        base64.b64encode(f"{kind}:{number}".encode()).decode()
        for kind in ("Artifact", "ArtifactSequence", "ArtifactPortfolio", "Run", "Sweep")
        for number in range(1, 14)
    ]
    with services.store.read() as tables:
        sweeps = [row["name"] for project in range(1, 8) for row in tables.sweeps.listed(project)]
    names = sorted(
        {f"run_{mark}" for mark in marks if mark[-2] != "v"}
        | {f"set_{mark}{end}" for mark in marks if mark[-2] != "v" for end in ("", ":v0", ":v1", ":latest")}
        | {"folder_markFolder", "folder_markFolder:v0", "folder_markFolder:markFolder", "kind"}
        | {"hidden", "shown", "given", "own", "mine", "links", "north", "south", "linked", "local", "Project"}
    )
    return {
        "id": ids,
        "name": names,
        "entityName": ["north", "south", "linked", None],
        "sweepName": sweeps,
        "agentName": [base64.b64encode(f"Agent:{number}".encode()).decode() for number in range(1, 7)],
        "aliasName": ["v0", "v1", "latest", "markFolder"],
        "clientID": [json.dumps({"k": mark}) for mark in sorted(marks)],
        "names": [[f"{mark}.log" for mark in sorted(marks)] + [f"{mark}.txt" for mark in sorted(marks)]],
        "entries": [[{"name": f"{mark}.txt"} for mark in sorted(marks)]],
        "specs": [json.dumps({"keys": [f"key_{mark}"]}) for mark in sorted(marks)],
        "order": ["+created_at", None],
        "filters": ["{}", None],
        "first": [1, 1000],
        "upload": [True, False],
    }
