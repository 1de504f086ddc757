"""Requests that nobody should send, made at random from a seed: every operation, every endpoint, bad values."""

import base64
import gzip
import hashlib
import json
import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

TEXTS = (
    "", " ", "a", "r1", "p", "local", "set", "set:latest", "set:v0", "latest", "v0", "v99999999999999999999",
    "../../../etc/passwd", "..", ".", "/etc/passwd", "a/../../b", "a\\..\\b", "C:\\x", "a\x00b", "\n", "\r\nX: y",
    "'; DROP TABLE runs; --", '" OR 1=1 --', "%", "_", "%' OR '1'='1", "a'b\"c`d", "${jndi:ldap://x}", "{{7*7}}",
    "<script>alert(1)</script>", "é", "𝕏", "\ud800", "\u202e", "﷽" * 50, "x" * 600, "x" * 100_000, "null", "true",
    "NaN", "Infinity", "-1", "0", "1", "99999999999999999999", "1e999", "{}", "[]", "{", '{"a":', '{"a":NaN}',
    '{"$where": "1"}', '{"$or": 1}', '{"$and": [[]]}', '{"name": {"$regex": "(a+)+$"}}',
    '{"config.x": {"$in": 3}}',
    '{"sweep": "s"}', '{"$not": {"$not": {}}}', "[" * 500, '{"a":' * 200 + "1" + "}" * 200, '{"keys": ["x"]}',
    '{"keys": 5, "samples": -1}', '{"minStep": "a", "keys": ["x"]}', "UnVuOjE=", "U3dlZXA6MQ==", "QWdlbnQ6MQ==",
    "QXJ0aWZhY3Q6MQ==", "QXJ0aWZhY3RTZXF1ZW5jZTox", "UnVuRmlsZToxL2EudHh0", "UnVuOi0x", "UnVuOjFlOTk=", "====",
    "UnVuOjk5OTk5OTk5OTk5OTk5OTk5OTk5", "method: grid\nparameters: {x: {values: [1]}}", "method: bayes",
    "a: &a [*a]", "&x [1, *x]", "method: grid\nparameters: {x: {values: " + "[" * 100 + "]" * 100 + "}}",
    "method: random\nparameters: {x: {min: 0, max: 1}}", "!!python/object/apply:os.system [id]",
    "+created_at", "-summary_metrics.x", "config.a.b.c.d", "-" * 1000, "1B2M2Y8AsgTpgAmY7PhCfg==",
    "method: random\nname: [1]\nprogram: {a: b}\nparameters: {x: {min: 0, max: 1}}",
)  # fmt: skip
LINES = ('{"_step":1,"x":NaN}', '{"_step":"a"}', "[]", '{"_step":1e300}', '{"_step":2,"x":{"y":[1,{}]},"":1}',
         '{"x":"\\ud800","\\udc80":1}', '{"_step":-1,"loss":"b"}', '{"loss":1e999,"x":null}')  # fmt: skip
FILTERS = (
    "{}", "[]", '{"summary_metrics.x": {"$gt": 0}}', '{"summary_metrics.x.y": null}', '{"config.x": {"$in": [1]}}',
    '{"$or": [{"config.a": {"$regex": "("}}, {"summary_metrics.": 1}]}', '{"tags": {"$all": 3}}', '{"": ""}',
    '{"created_at": {"$gt": "x"}}', '{"name": {"$in": [null, {}, 5]}}', '{"$nor": [{"state": {"$ne": []}}]}',
    '{"keys": ["x", "loss", "x.y", ""], "samples": 2}', '{"keys": ["x"], "maxStep": 9223372036854775807}',
    '{"keys": [null, 5]}', '{"keys": ["_step"], "samples": -1}',
)  # fmt: skip
ORDERS = (
    "-summary_metrics.x",
    "+config.x",
    "-created_at,+summary_metrics.loss",
    "+",
    "-,",
    "heartbeat_at",
    "name,name",
)
BOMB = gzip.compress(b" " * 2**26)
NUMBERS = (0, 1, -1, 2**31, 2**53, 2**63, -(2**63), 10**30, 1.5, 1e308, -0.0, True, False)
INPUTS = {
    "upsertBucket": ("id", "name", "modelName", "entityName", "config", "summaryMetrics", "tags", "state", "sweep",
                     "groupName", "jobType", "notes", "displayName", "commit", "host"),
    "rewindRun": ("runName", "projectName", "entityName", "metricName", "metricValue"),
    "deleteRun": ("id", "deleteArtifacts"), "stopRun": ("id",), "updateRunState": ("id", "state"),
    "notifyScriptableRunAlert": ("runName", "title", "text", "severity", "waitDuration"),
    "createRunFiles": ("entityName", "projectName", "runName", "files"),
    "markRunFilesUploaded": ("files",), "deleteFiles": ("files",),
    "upsertSweep": ("id", "config", "projectName", "entityName", "state", "displayName", "description",
                    "priorRunsFilters"),
    "createAgent": ("host", "sweep", "projectName", "entityName"),
    "agentHeartbeat": ("id", "metrics", "runState"),
    "upsertModel": ("name", "entityName", "description"),
    "createArtifact": ("entityName", "projectName", "runName", "artifactTypeName", "artifactCollectionNames",
                       "digest", "aliases", "tags", "metadata", "description", "clientID", "sequenceClientID",
                       "historyStep", "enableDigestDeduplication", "ttlDurationSeconds", "storageRegion"),
    "createArtifactManifest": ("artifactID", "digest", "name", "type", "entityName", "projectName", "runName",
                               "baseArtifactID", "includeUpload"),
    "updateArtifactManifest": ("artifactManifestID", "digest", "includeUpload"),
    "createArtifactFiles": ("artifactFiles",), "commitArtifact": ("artifactID",),
    "useArtifact": ("artifactID", "entityName", "projectName", "runName", "usedAs"),
    "updateArtifact": ("artifactID", "description", "metadata", "aliases", "tagsToAdd", "tagsToDelete",
                       "ttlDurationSeconds"),
    "addAliases": ("artifactID", "aliases"), "deleteAliases": ("artifactID", "aliases"),
    "deleteArtifact": ("artifactID", "deleteAliases"), "linkArtifact": ("artifactID", "artifactPortfolioName",
    "entityName", "projectName", "aliases"), "unlinkArtifact": ("artifactID", "artifactPortfolioID"),
    "updateArtifactSequence": ("artifactSequenceID", "name", "description"),
    "deleteArtifactSequence": ("artifactSequenceID",), "nonsense": ("id",),
}  # fmt: skip
REPLIES = """{ __typename success inserted commands clientMutationId runID bucket { id name state config }
    sweep { id name runs { edges { node { name } } } } agent { id } artifactManifest { id file { uploadUrl } }
    artifact { id digest state files { edges { node { name } } } } files { edges { node { uploadUrl name } } } }"""
READS = (
    "viewer {X}",
    "serverInfo {X}",
    "entity(name: $a) {X}",
    "models(entityName: $a, first: $n, after: $b) {R}",
    "project(name: $a, entityName: $b) {P}",
    "model(name: $a) {P}",
    "artifact(id: $a) {A}",
    "artifactCollection(id: $a) {A}",
    "clientIDMapping(clientID: $a) { serverID }",
    "__type(name: $a) {X}",
    "users(query: $a) {R}",
    "nonsense(a: $a) { b }",
)
FIELDS = {
    "X": "{ id name features { name } fields { name } }",
    "R": "{ edges { node { id name } cursor } pageInfo { hasNextPage endCursor } totalCount }",
    "A": """{ id digest aliases { alias } usedBy { edges { node { name } } } createdBy { ... on Run { name } }
        files(first: $n, after: $b, names: [$a]) { edges { node { name url } } }
        artifacts(first: $n) { edges { node { id } } } }""",
    "P": """{ id name runCount(filters: $c) runs(filters: $c, order: $b, first: $n, after: $a) { edges { node {
        name config tags summaryMetrics historyKeys history(samples: $n, minStep: $n, maxStep: $n) events
        sampledHistory(specs: $c) files(names: [$a], pattern: $b, first: $n, after: $c) { edges { node { url } } }
        logLines(last: $n, first: $n, after: $a) { edges { node { line } } } } } }
        run(name: $a) { name stopped wandbConfig(keys: [$b]) } artifact(name: $a) { id }
        sweep(sweepName: $a) { bestLoss agents(first: $n) { edges { node { id } } } agent(agentName: $b) { id } }
        artifactType(name: $a) { artifactCollections(first: $n, after: $b) { edges { node { name } } }
        artifactCollection(name: $b) { artifacts(order: $c) { edges { node { id } } } } }
        artifactCollectionMembership(name: $a) { artifact { id } } artifactCollection(name: $b) { aliases { edges {
        node { alias } } } } sweeps(first: $n, after: $a) { edges { node { name } } } }""",
}


@dataclass(frozen=True)
class Attack:
    """One request."""

    method: str
    path: str
    body: bytes = b""
    headers: Mapping[str, str] = frozenset()  # type: ignore[assignment]


class Attacker:
    """Makes attacks; the same seed makes the same ones."""

    def __init__(self, seed: int, authorisation: Mapping[str, str]) -> None:
        self.chance = random.Random(seed)
        self.authorisation = dict(authorisation)

    def attack(self) -> Attack:
        kinds = (self.mutation, self.query, self.stream, self.bytes, self.page, self.raw, self.view)
        kind: Any = self.chance.choices(kinds, weights=(45, 20, 15, 10, 5, 5, 5))[0]
        found: Attack = kind()
        if self.chance.random() < 0.03:
            return replace(found, headers={"authorization": quote(self.text()[:99], errors="replace")})
        return found

    def text(self) -> str:
        return self.chance.choice(TEXTS)

    def value(self, depth: int = 0) -> Any:
        roll = self.chance.random()
        if roll < 0.75:
            return self.text()
        if roll < 0.82:
            return self.chance.choice(NUMBERS)
        if roll < 0.86:
            return None
        if depth > 3:
            return "deep"
        if roll < 0.93:
            return [self.value(depth + 1) for _ in range(self.chance.randrange(4))]
        names = ("alias", "artifactID", "name", "md5", "tagName", "artifactCollectionName", "value", "offset")
        return {self.chance.choice(names): self.value(depth + 1) for _ in range(self.chance.randrange(4))}

    def mutation(self) -> Attack:
        name, fields = self.chance.choice(list(INPUTS.items()))
        given = {field: self.value() for field in fields if self.chance.random() < 0.7}
        given |= {"projectName": "p"} if "projectName" in fields and self.chance.random() < 0.6 else {}
        query = f"mutation M($input: {name}Input!) {{ {name}(input: $input) {REPLIES} }}"
        return self.graphql(query, {"input": given})

    def query(self) -> Attack:
        body = self.chance.choice(READS)
        for mark, fields in FIELDS.items():
            body = body.replace("{" + mark + "}", fields)
        values = {"a": self.value(), "b": self.value(), "c": self.value(), "n": self.value()}
        if self.chance.random() < 0.4:
            values |= {"a": "p", "b": None}
        if self.chance.random() < 0.4:
            values |= {"a": "p", "b": self.chance.choice((*ORDERS, None)), "c": self.chance.choice(FILTERS)}
        if self.chance.random() < 0.4:
            values["n"] = self.chance.choice((0, 1, 2, 1000))
        return self.graphql("query Q($a: String, $b: String, $c: JSONString, $n: Int) { " + body + " }", values)

    def graphql(self, query: str, variables: object) -> Attack:
        if self.chance.random() < 0.04:
            query = self.chance.choice(
                (query[: self.chance.randrange(len(query))], "{" * 3000, "query {" + " a {" * 200 + "}" * 201,
                 "fragment A on X { ...B } fragment B on X { ...A } query { viewer { ...A } }",
                 "{ viewer { id " * 30 + "} " * 31, "query Q { viewer { " + "a: id " * 3000 + "} }",
                 "{ a(b: 1e999) }")
            )  # fmt: skip
        body = {"query": query, "variables": variables}
        if self.chance.random() < 0.03:
            body = {self.text(): self.value(), "query": self.value(), "variables": self.value()}
        return Attack("POST", "/graphql", _json(body), self.authorisation)

    def stream(self) -> Attack:
        names = ("wandb-history.jsonl", "wandb-events.jsonl", "wandb-summary.json", "output.log", self.text()[:50])
        pool = LINES if self.chance.random() < 0.7 else (*LINES, self.text())
        lines = [self.chance.choice(pool) for _ in range(self.chance.randrange(4))]
        offset = self.chance.choice((0, 0, 1, 5, -1, 2**60, "a", None, True))
        chunk = self.chance.choice(({"offset": offset, "content": lines}, self.value()))
        payload: Any = {"files": {self.chance.choice(names): chunk}, "preempting": self.value()}
        payload |= {"exitcode": self.value(), "complete": self.chance.choice((0, 1, "x", None))}
        payload = payload if self.chance.random() < 0.9 else self.value()
        body, headers = _json(payload), dict(self.authorisation)
        if self.chance.random() < 0.2:
            packed = gzip.compress(body)
            body = self.chance.choice((packed, body, packed[:9], packed[:10] + b"\xff" * 30))
            body = BOMB if self.chance.random() < 0.03 else body
            headers["content-encoding"] = "gzip"
        run = quote(self.chance.choice(("r1", "r1", self.text()[:300])), safe="", errors="replace")
        return Attack("POST", f"/files/local/p/{run}/file_stream", body, headers)

    def bytes(self) -> Attack:
        name = quote(self.chance.choice(("a.txt", self.text()[:300])), safe="/", errors="replace")
        md5 = self.chance.choice((hashlib.md5(b"x").hexdigest(), "0" * 32, "../" * 10, self.text()[:60]))
        number = self.chance.choice(("1", "0", "-1", "9" * 40, "x"))
        path = self.chance.choice(
            (f"/storage/run/{number}/{name}", f"/storage/artifact/{number}/{quote(md5, errors='replace')}/{name}",
             f"/storage/manifest/{number}/{name}", f"/artifactsV2/a/b/c/{quote(md5, errors='replace')}/{name}",
             f"/artifacts/{name}", f"/{name}", f"/static/{name}")
        )  # fmt: skip
        forged = "?expires=9999999999&sig=" + "0" * 64
        query = self.chance.choice(("", forged, "?expires=x&sig=\u00e9", "?expires=1&sig="))
        headers = self.authorisation if self.chance.random() < 0.5 else {}
        method = self.chance.choice(("GET", "GET", "PUT", "HEAD", "DELETE"))
        return Attack(method, path + query, b"x" * 100, headers)

    def page(self) -> Attack:
        parts = [quote(self.chance.choice(("local", "p", "runs", "sweeps", "artifacts", "r1", self.text()[:80])),
                       safe="", errors="replace") for _ in range(self.chance.randrange(6))]  # fmt: skip
        tail = self.chance.choice(("", "?page=1", "?page=-1", "?page=999999", "?page=x", "?" + "a=1&" * 100))
        return Attack("GET", "/" + "/".join(parts) + tail)

    def view(self) -> Attack:
        """What the scripts of pages ask for, and what they change."""
        words = ("local", "p", "r1", self.text()[:80])
        place = "/".join(quote(self.chance.choice(words), safe="", errors="replace") for _ in range(2))
        name = quote(self.chance.choice(words), safe="", errors="replace")
        rest = self.chance.choice(
            ("runs", f"sweeps/{name}/runs", f"sweeps/{name}/best", f"sweeps/{name}/importance")
        )
        if self.chance.random() < 0.5:
            return Attack("GET", f"/view/{place}/{rest}?since={quote(self.text()[:40], errors='replace')}")
        body = {"action": self.value(), "notes": self.value(), "tags": self.value()}
        path = self.chance.choice((f"/change/{place}/runs/{name}", f"/change/{place}/sweeps/{name}"))
        given = {key: item for key, item in body.items() if self.chance.random() < 0.5}
        return Attack(
            "POST", path, _json(given if self.chance.random() < 0.9 else self.value()), self.authorisation
        )

    def raw(self) -> Attack:
        bodies = (b"", b"\xff\xfe", b"[" * 10_000, b"{}", b"null", b'{"query": 3}', b"\x00" * 1000)
        body = self.chance.choice(bodies)
        path = self.chance.choice(("/graphql", "/files/local/p/r1/file_stream", "/sdk/otel/v1/traces"))
        return Attack(self.chance.choice(("POST", "GET", "PUT", "PATCH")), path, body, self.authorisation)


def _json(value: object) -> bytes:
    return json.dumps(value).encode(errors="surrogatepass")


def basic(key: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"api:{key}".encode()).decode()}
