"""Artifacts in their collections: links, aliases, tags, names, deletion, times to live; versions made in parts."""

import hashlib
import json
import time
from typing import Any

import pytest

from launch.server import app
from launch.server.request import Services
from tests.launch.server.asgi import Client
from tests.launch.server.test_transfer import COMMIT, Uploader, digest, local

VERSION = """query V($n: String!) { project(name: "p") { artifactCollectionMembership(name: $n) { versionIndex
    aliases { alias } artifactCollection { __typename id name }
    artifact { id versionIndex state description ttlDurationSeconds ttlIsInherited tags { name } digest fileCount
        aliases { alias artifactCollection { __typename name } }
        artifactSequence { name } artifactMemberships { edges { node { versionIndex
            artifactCollection { __typename name } } } }
        files { totalCount edges { node { name } } } currentManifest { file { directUrl } } } } } }"""
LINK = """mutation L($input: LinkArtifactInput!) { linkArtifact(input: $input) { versionIndex
    artifactMembership { versionIndex aliases { alias } artifactCollection { __typename id name } } } }"""
UNLINK = "mutation U($input: UnlinkArtifactInput!) { unlinkArtifact(input: $input) { success } }"
DELETE = """mutation D($id: ID!, $all: Boolean) {
    deleteArtifact(input: {artifactID: $id, deleteAliases: $all}) { artifact { id state } } }"""
UPDATE = (
    "mutation U($input: UpdateArtifactInput!) { updateArtifact(input: $input) { artifact { ttlIsInherited } } }"
)
COLLECTIONS = """query C($filters: JSONString, $order: String) { project(name: "p") {
    artifactCollections(filters: $filters, order: $order) { totalCount edges { node { name tags { edges {
        node { name } } } type: defaultArtifactType { name } } } } } }"""


@pytest.fixture
def uploader(ask: Any, client: Client, make_run: Any) -> Uploader:
    make_run("r")
    return Uploader(ask, client)


def member(ask: Any, name: str) -> Any:
    return ask(VERSION, n=name)["project"]["artifactCollectionMembership"]


def link(ask: Any, key: str, name: str, *aliases: str, status: int = 200, **more: Any) -> Any:
    given = {
        "artifactID": key, "artifactPortfolioName": name, "projectName": "p",
        "aliases": [{"alias": alias, "artifactCollectionName": name} for alias in aliases], **more,
    }  # fmt: skip
    reply = ask(LINK, status, input=given)
    return reply["linkArtifact"] if status == 200 else reply


def collections(ask: Any, **args: Any) -> Any:
    return [edge["node"] for edge in ask(COLLECTIONS, **args)["project"]["artifactCollections"]["edges"]]


def test_a_link_is_a_member_with_a_number_and_aliases_of_its_own(uploader: Uploader, ask: Any) -> None:
    uploader.log({"a": b"0"})
    second = uploader.log({"a": b"1"})
    told = link(ask, second, "best", "prod")
    assert told["versionIndex"] == told["artifactMembership"]["versionIndex"] == 0
    assert told["artifactMembership"]["artifactCollection"]["__typename"] == "ArtifactPortfolio"
    assert [item["alias"] for item in told["artifactMembership"]["aliases"]] == ["prod", "latest"]
    linked, source = member(ask, "best:prod"), member(ask, "ds:latest")
    assert linked["artifact"]["id"] == source["artifact"]["id"] == second
    assert (linked["versionIndex"], source["versionIndex"], linked["artifact"]["versionIndex"]) == (0, 1, 1)
    assert linked["artifact"]["artifactSequence"] == {"name": "ds"}
    places = {(item["alias"], item["artifactCollection"]["name"]) for item in linked["artifact"]["aliases"]}
    assert places == {("latest", "ds"), ("prod", "best"), ("latest", "best")}
    nodes = [edge["node"] for edge in linked["artifact"]["artifactMemberships"]["edges"]]
    assert [node["artifactCollection"]["__typename"] for node in nodes] == [
        "ArtifactSequence",
        "ArtifactPortfolio",
    ]
    assert link(ask, second, "best")["versionIndex"] == 0


def test_unlinking_leaves_the_version(uploader: Uploader, ask: Any) -> None:
    key = uploader.log({"a": b"0"})
    collection = link(ask, key, "best")["artifactMembership"]["artifactCollection"]["id"]
    own = member(ask, "ds:v0")["artifactCollection"]["id"]
    assert "delete it" in ask(UNLINK, 409, input={"artifactID": key, "artifactPortfolioID": own})
    given = {"artifactID": key, "artifactPortfolioID": collection}
    assert ask(UNLINK, input=given) == {"unlinkArtifact": {"success": True}}
    assert (member(ask, "best:latest"), member(ask, "ds:latest")["artifact"]["id"]) == (None, key)
    assert "not linked" in ask(UNLINK, 404, input=given)
    assert link(ask, key, "best")["versionIndex"] == 1


@pytest.mark.parametrize(
    ("given", "status", "message"),
    [
        ({"artifactPortfolioName": "ds"}, 409, "versions of its own"),
        ({"projectName": "wandb-registry-model"}, 501, "W&B's cloud"),
        ({"artifactID": None, "clientID": "unknown"}, 404, "no artifact to link"),
        ({"artifactID": None, "artifactPortfolioID": "unknown", "clientID": "c"}, 404, "no such collection"),
    ],
)
def test_links_that_are_refused(
    uploader: Uploader, ask: Any, given: dict[str, Any], status: int, message: str
) -> None:
    key = uploader.log({"a": b"0"}, clientID="c")
    assert message in link(ask, key, "best", status=status, **given)


def test_only_committed_versions_of_one_type_are_linked(uploader: Uploader, ask: Any) -> None:
    pending = uploader.create({"a": b"0"})["id"]
    assert "not committed yet" in link(ask, pending, "best", status=409)
    link(ask, uploader.log({"a": b"1"}), "best")
    other = uploader.log({"a": b"2"}, name="other", artifactTypeName="model")
    assert "'dataset', not 'model'" in link(ask, other, "best", status=409)
    assert "holds links" in ask(
        "mutation C($input: I!) { createArtifact(input: $input) { artifact { id } } }",
        409,
        input={"artifactTypeName": "dataset", "artifactCollectionName": "best", "projectName": "p"},
    )


def test_aliases_are_set_and_dropped_in_the_collection_that_is_named(uploader: Uploader, ask: Any) -> None:
    key = uploader.log({"a": b"0"})
    link(ask, key, "best")
    given = {"artifactCollectionName": "best", "projectName": "p", "entityName": "local", "alias": "x"}
    for verb, told in (("add", ["latest", "x"]), ("delete", ["latest"])):
        ask(
            f"mutation A($input: I!) {{ {verb}Aliases(input: $input) {{ success }} }}",
            input={"artifactID": key, "aliases": [given]},
        )
        assert sorted(item["alias"] for item in member(ask, "best:v0")["aliases"]) == told
        assert [item["alias"] for item in member(ask, "ds:v0")["aliases"]] == ["latest"]
    elsewhere = {"artifactID": key, "aliases": [{**given, "artifactCollectionName": "none"}]}
    assert "no such" in ask(
        "mutation A($input: I!) { addAliases(input: $input) { success } }", 404, input=elsewhere
    )


def test_a_version_with_aliases_is_deleted_only_with_them_and_takes_its_links_along(
    uploader: Uploader, ask: Any
) -> None:
    key = uploader.log({"a": b"0"})
    link(ask, key, "best")
    assert "has the aliases latest" in ask(DELETE, 409, id=key, all=False)
    assert ask(DELETE, id=key, all=True)["deleteArtifact"]["artifact"] == {"id": key, "state": "DELETED"}
    assert (member(ask, "ds:v0"), member(ask, "best:latest")) == (None, None)
    assert ask("query Q($id: ID!) { artifact(id: $id) { id } }", id=key) == {"artifact": None}
    again = uploader.log({"a": b"0"})
    assert again != key
    assert member(ask, "ds:latest")["versionIndex"] == 1


def test_collections_are_described_renamed_moved_tagged_and_deleted(uploader: Uploader, ask: Any) -> None:
    key = uploader.log({"a": b"0"})
    uploader.log({"a": b"1"}, name="taken")
    link(ask, key, "best")
    own = member(ask, "ds:v0")["artifactCollection"]["id"]
    change = """mutation U($input: I!) { updateArtifactSequence(input: $input) {
        artifactCollection { name description } } }"""
    given = {"artifactSequenceID": own, "name": "data", "description": "words"}
    assert ask(change, input=given)["updateArtifactSequence"]["artifactCollection"] == {
        "name": "data", "description": "words",
    }  # fmt: skip
    assert member(ask, "ds:v0") is None
    assert member(ask, "data:v0")["artifact"]["id"] == key
    assert "already" in ask(change, 409, input={"artifactSequenceID": own, "name": "taken"})
    move = """mutation M($input: I!) { moveArtifactSequence(input: $input) {
        artifactCollection { type: defaultArtifactType { name } } } }"""
    moved = ask(move, input={"artifactSequenceID": own, "destinationArtifactTypeName": "raw"})
    assert moved["moveArtifactSequence"]["artifactCollection"]["type"] == {"name": "raw"}
    assert "reserved" in ask(move, 409, input={"artifactSequenceID": own, "destinationArtifactTypeName": "job"})
    place = {"entityName": "local", "projectName": "p", "artifactCollectionName": "data"}
    tags = [{"tagName": "x"}, {"tagName": "y"}]
    ask(
        """mutation T($input: I!) { createArtifactCollectionTagAssignments(input: $input) { tags { name } } }""",
        input={**place, "tags": tags},
    )
    ask(
        """mutation T($input: I!) { deleteArtifactCollectionTagAssignments(input: $input) { success } }""",
        input={**place, "tags": tags[:1]},
    )
    [tagged] = collections(ask, filters=json.dumps({"tag": "y"}))
    assert (tagged["name"], tagged["tags"]["edges"]) == ("data", [{"node": {"name": "y"}}])
    drop = """mutation D($id: ID!) { deleteArtifactSequence(input: {artifactSequenceID: $id}) {
        artifactCollection { state } } }"""
    assert ask(drop, id=own)["deleteArtifactSequence"]["artifactCollection"] == {"state": "DELETED"}
    assert (member(ask, "data:v0"), member(ask, "best:latest")) == (None, None)
    uploader.log({"a": b"2"}, name="data", artifactTypeName="other")
    assert member(ask, "data:latest")["versionIndex"] == 0


def test_collections_by_filter_and_order(uploader: Uploader, ask: Any) -> None:
    for index, name in enumerate(("b", "a", "c")):
        uploader.log({"f": bytes([index])}, name=name)
    assert [node["name"] for node in collections(ask)] == ["c", "a", "b"]
    assert [node["name"] for node in collections(ask, order="name")] == ["a", "b", "c"]
    assert [node["name"] for node in collections(ask, order="-name", filters='{"name": {"$ne": "b"}}')] == [
        "c", "a",
    ]  # fmt: skip
    assert "unknown filter operator" in ask(COLLECTIONS, 400, filters='{"name": {"$like": "b"}}')


def test_a_time_to_live_is_stored_inherited_and_kept(uploader: Uploader, ask: Any, services: Services) -> None:
    short = uploader.log({"a": b"0"}, ttlDurationSeconds=5)
    never = uploader.log({"a": b"1"}, ttlDurationSeconds=-2)
    plain = uploader.log({"a": b"2"})
    linked = uploader.log({"a": b"3"}, ttlDurationSeconds=5)
    link(ask, linked, "best")

    def shown(index: int) -> tuple[int, bool]:
        node = member(ask, f"ds:v{index}")["artifact"]
        return node["ttlDurationSeconds"], node["ttlIsInherited"]

    assert [shown(index) for index in range(4)] == [(5, False), (-2, False), (-2, True), (5, False)]
    ask(UPDATE, input={"artifactID": plain, "ttlDurationSeconds": 7})
    ask(UPDATE, input={"artifactID": never, "ttlDurationSeconds": -1})
    assert (shown(1), shown(2)) == ((-2, True), (7, False))
    assert "time to live" in ask(UPDATE, 400, input={"artifactID": plain, "ttlDurationSeconds": 0})
    with services.store.write() as tables:
        tables.artifacts._db.execute("UPDATE artifacts SET created_at = ?", (time.time() - 6,))
    app._expire_once(services)
    gone = [index for index in range(4) if member(ask, f"ds:v{index}") is None]
    assert gone == [0]
    assert short != never


MANIFEST = """mutation M($input: I!) { createArtifactManifest(input: $input) { artifactManifest { id } } }"""
ANNOUNCE = """mutation A($id: ID!, $digest: String) {
    updateArtifactManifest(input: {artifactManifestID: $id, digest: $digest}) { artifactManifest {
        id file { uploadUrl } } } }"""


def send_part(uploader: Uploader, key: str, kind: str, files: dict[str, bytes], base: str | None = None) -> None:
    """A manifest that is begun without a digest, as the client does for parts."""
    for url, data in zip(uploader.addresses(key, files), files.values(), strict=True):
        if url is not None:
            uploader.client.put(local(url), content=data)
    given = {"artifactID": key, "type": kind, "baseArtifactID": base, "digest": ""}
    manifest = uploader.ask(MANIFEST, input=given)["createArtifactManifest"]["artifactManifest"]["id"]
    contents = {name: {"digest": digest(data), "size": len(data)} for name, data in files.items()}
    text = json.dumps({"version": 1, "contents": contents}).encode()
    told = uploader.ask(ANNOUNCE, id=manifest, digest=digest(text))["updateArtifactManifest"]["artifactManifest"]
    assert uploader.client.put(local(told["file"]["uploadUrl"]), content=text).status_code == 200


def test_an_incremental_version_adds_to_an_earlier_one(uploader: Uploader, ask: Any, client: Client) -> None:
    base = uploader.log({"old": b"0", "both": b"1"})
    key = uploader.create({"new": b"2"})["id"]
    send_part(uploader, key, "INCREMENTAL", {"new": b"2", "both": b"3"}, base)
    ask(COMMIT, id=key)
    made = member(ask, "ds:v1")["artifact"]
    assert [edge["node"]["name"] for edge in made["files"]["edges"]] == ["both", "new", "old"]
    manifest = client.get(local(made["currentManifest"]["file"]["directUrl"])).json()["contents"]
    assert {name: entry["digest"] for name, entry in manifest.items()} == {
        "old": digest(b"0"), "both": digest(b"3"), "new": digest(b"2"),
    }  # fmt: skip


def test_several_runs_make_one_version(uploader: Uploader, ask: Any) -> None:
    more = {"distributedID": "together"}
    first = uploader.create({"a": b"0"}, aliases=[{"alias": "x"}], **more)["id"]
    second = uploader.create({"b": b"1"}, aliases=[{"alias": "y"}], **more)["id"]
    assert first == second
    send_part(uploader, first, "PATCH", {"a": b"0"})
    send_part(uploader, first, "PATCH", {"b": b"1"})
    ask(COMMIT, id=first)
    made = member(ask, "ds:x")
    assert [edge["node"]["name"] for edge in made["artifact"]["files"]["edges"]] == ["a", "b"]
    assert sorted(item["alias"] for item in made["aliases"]) == ["x", "y"]
    whole = f"wandb-artifact-manifest-v1\na:{digest(b'0')}\nb:{digest(b'1')}\n"
    assert made["artifact"]["digest"] == hashlib.md5(whole.encode()).hexdigest()
    other = uploader.create({"a": b"0"}, **more)
    assert other["id"] != first


@pytest.mark.parametrize(
    ("given", "message"),
    [({"type": "HALF"}, "FULL, PATCH"), ({"baseArtifactID": "QXJ0aWZhY3Q6OTk="}, "no artifact")],
)
def test_manifests_that_are_refused(uploader: Uploader, ask: Any, given: dict[str, str], message: str) -> None:
    key = uploader.create({"a": b"0"})["id"]
    status = 404 if "baseArtifactID" in given else 400
    assert message in ask(MANIFEST, status, input={"artifactID": key, **given})


def test_an_unknown_storage_region_is_refused(uploader: Uploader, ask: Any) -> None:
    given = {"artifactTypeName": "t", "artifactCollectionName": "n", "projectName": "p", "storageRegion": "mars"}
    query = "mutation C($input: I!) { createArtifact(input: $input) { artifact { id } } }"
    assert "no region 'mars'" in ask(query, 400, input=given)
    assert ask(query, input={**given, "storageRegion": "default"})["createArtifact"]["artifact"]["id"]


@pytest.mark.parametrize("metadata", ["{", "[1]", "5"])
def test_metadata_is_an_object(uploader: Uploader, ask: Any, metadata: str) -> None:
    given = {"artifactTypeName": "t", "artifactCollectionName": "n", "projectName": "p", "metadata": metadata}
    query = "mutation C($input: I!) { createArtifact(input: $input) { artifact { metadata } } }"
    assert "JSON" in ask(query, 400, input=given)
    told = ask(query, input={**given, "metadata": '{"a": 1}'})
    assert json.loads(told["createArtifact"]["artifact"]["metadata"]) == {"a": 1}


def test_deleting_a_run_takes_its_artifacts_along_if_asked(uploader: Uploader, ask: Any, make_run: Any) -> None:
    uploader.log({"a": b"0"})
    key = make_run("r")["bucket"]["id"]
    drop = "mutation D($id: ID!, $all: Boolean) { deleteRun(input: {id: $id, deleteArtifacts: $all}) { success } }"
    other = make_run("s")["bucket"]["id"]
    ask(drop, id=other, all=True)
    assert member(ask, "ds:v0") is not None
    ask(drop, id=key, all=True)
    assert member(ask, "ds:v0") is None
