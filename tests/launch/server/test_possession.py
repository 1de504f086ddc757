"""Whose bytes a digest stands for: to know an MD5, or to make it collide, gives nobody what is not theirs."""

import base64
import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from launch.server import upkeep
from launch.server.limits import ServeOptions
from launch.server.request import Services
from tests.launch.server.asgi import Client
from tests.launch.server.marked import (
    BASE,
    COMMIT,
    address_of,
    announced,
    b64,
    begin_version,
    make_version,
    person,
    put,
    send_manifest,
    send_part,
)
from tests.launch.server.people import Person
from tests.launch.server.test_users import share

ONE, OTHER = (
    bytes.fromhex(
        "d131dd02c5e6eec4693d9a0698aff95c2fcab58712467eab4004583eb8fb7f8955ad340609f4b30283e488832571415a085125e8f7cdc99f"
        "d91dbdf280373c5bd8823e3156348f5bae6dacd436c919c6dd53e2b487da03fd02396306d248cda0e99f33420f577ee8ce54b67080a80d1e"
        "c69821bcb6a8839396f9652b6ff72a70"
    ),
    bytes.fromhex(
        "d131dd02c5e6eec4693d9a0698aff95c2fcab50712467eab4004583eb8fb7f8955ad340609f4b30283e4888325f1415a085125e8f7cdc99f"
        "d91dbd7280373c5bd8823e3156348f5bae6dacd436c919c6dd53e23487da03fd02396306d248cda0e99f33420f577ee8ce54b67080280d1e"
        "c69821bcb6a8839396f965ab6ff72a70"
    ),
)  # fmt: skip
"""Two texts with one MD5 (Wang and Yu, How to Break MD5 and Other Hash Functions, EUROCRYPT 2005)."""
URL = """query U($a: ID!, $n: [String]) { artifact(id: $a) { files(names: $n) { edges { node { directUrl } } }
    currentManifest { file { directUrl } } } }"""


@pytest.fixture
def options() -> ServeOptions:
    return ServeOptions(lab=True)


@pytest.fixture
def north(services: Services, client: Client) -> Person:
    return person(services, client, "north")


@pytest.fixture
def south(services: Services, client: Client) -> Person:
    return person(services, client, "south")


def committed(who: Person, collection: str, files: dict[str, bytes]) -> str:
    """A version with these files, each sent if the server asks for it."""
    made = begin_version(who, "p", collection, hashlib.sha256(repr(files).encode()).hexdigest())
    for name, body in files.items():
        url = address_of(who, made, name, body)
        if url is not None:
            assert put(who, url, body) == 200
    assert send_manifest(who, made, files) == 200
    who.ask(COMMIT, a=made)
    return made


def fetched(who: Person, artifact: str, name: str) -> bytes:
    found = who.ask(URL, a=artifact, n=[name])["artifact"]["files"]["edges"][0]["node"]["directUrl"]
    return who.client.get(found.removeprefix(BASE)).content


def test_to_know_an_md5_is_not_to_have_the_bytes(north: Person, south: Person, client: Client) -> None:
    secret = b"weights that took a month"
    committed(north, "set", {"w": secret})
    made = begin_version(south, "p", "set", "guess")
    assert address_of(south, made, "w", secret) is not None, "south has to send what it claims to have"
    for size in (len(secret), 1):
        contents = {"w": {"digest": b64(secret), "size": size}}
        manifest = json.dumps({"contents": contents}).encode()
        assert put(south, announced(south, made, manifest), manifest) == 200
        reply = south.send(COMMIT, a=made)
        assert reply.status_code == 422
        assert "w: not uploaded" in reply.json()["error"], "nor is its size told"
    key = base64.b64decode(made).decode().partition(":")[2]
    md5 = hashlib.md5(secret).hexdigest()
    for path in (f"/storage/artifact/{key}/{md5}/w", f"/artifactsV2/gcp/south/QXJ0/{md5}/w"):
        assert client.get(path, headers=south.headers).status_code == 404


def test_a_user_sends_the_same_bytes_once_and_the_disk_holds_them_once(
    north: Person, south: Person, tmp_path: Path
) -> None:
    body = b"the same"
    committed(north, "set", {"a": body})
    again = begin_version(north, "p", "other", "2")
    assert address_of(north, again, "b", body) is None
    mine = begin_version(south, "p", "set", "3")
    url = address_of(south, mine, "c", body)
    assert url is not None
    assert put(south, url, body) == 200
    held = [path for path in (tmp_path / "blobs").glob("??/*") if path.read_bytes() == body]
    assert [path.name for path in held] == [hashlib.sha256(body).hexdigest()]


def test_a_planted_collision_reaches_nobody_else(north: Person, south: Person, services: Services) -> None:
    assert hashlib.md5(ONE).digest() == hashlib.md5(OTHER).digest()
    planted = committed(south, "set", {"w": ONE})
    mine = committed(north, "set", {"w": OTHER})
    assert (fetched(north, mine, "w"), fetched(south, planted, "w")) == (OTHER, ONE)
    share(
        services, "p", "south", "north", "read"
    )  # what north may see of south's is no reason to take it for its own
    again = committed(north, "set", {"w": OTHER, "more": b"x"})
    assert fetched(north, again, "w") == OTHER
    for number, body in enumerate((ONE, OTHER)):
        north.ask('mutation { upsertBucket(input: {modelName: "p", name: "r"}) { inserted } }')
        [file] = north.ask(
            'mutation F($n: String!) { createRunFiles(input: {projectName: "p", runName: "r", files: [$n]})'
            " { files { uploadUrl } } }",
            n=f"{number}.bin",
        )["createRunFiles"]["files"]  # fmt: skip
        assert put(north, file["uploadUrl"], body) == 200
        path = file["uploadUrl"].removeprefix(BASE).partition("?")[0]
        assert north.client.get(path, headers=north.headers).content == body


def test_a_draft_keeps_the_files_of_the_version_that_it_began_with(north: Person) -> None:
    first = committed(north, "set", {"a": b"old", "b": b"kept"})
    draft = begin_version(north, "p", "set", "draft")
    url = address_of(north, draft, "a", b"new")
    assert url is not None
    assert put(north, url, b"new") == 200
    send_part(north, draft, {"a": b"new", "b": b"kept"}, "FULL", first)
    north.ask(COMMIT, a=draft)
    assert [fetched(north, key, name) for key in (first, draft) for name in "ab"] == [
        b"old",
        b"kept",
        b"new",
        b"kept",
    ]


def test_a_draft_takes_nothing_that_was_planted_after_its_base(
    north: Person, south: Person, services: Services
) -> None:
    first = committed(north, "set", {"w": ONE})
    share(services, "p", "north", "south", "write")
    made = begin_version(
        south, "p", "set", "planted", entity="north"
    )  # the newest version of the collection, with the same MD5
    url = address_of(south, made, "w", OTHER)
    assert url is not None
    assert put(south, url, OTHER) == 200
    assert send_manifest(south, made, {"w": OTHER}) == 200
    south.ask(COMMIT, a=made)
    draft = begin_version(north, "p", "set", "draft")
    send_part(north, draft, {"w": ONE}, "FULL", first)
    north.ask(COMMIT, a=draft)
    assert (fetched(north, draft, "w"), fetched(north, made, "w")) == (ONE, OTHER)


def test_a_deleted_version_is_not_served_and_a_linked_one_is(
    north: Person, south: Person, services: Services
) -> None:
    keys = [make_version(north, "hidden", None, f"v{number}", "set") for number in (0, 1)]
    urls = [north.ask(URL, a=key, n=[f"v{number}.txt"])["artifact"] for number, key in enumerate(keys)]
    north.ask('mutation { upsertModel(input: {name: "links"}) { inserted } }')
    share(services, "links", "north", "south", "read")
    north.ask(
        'mutation L($a: ID!) { linkArtifact(input: {artifactID: $a, projectName: "links",'
        ' artifactPortfolioName: "folder"}) { versionIndex } }',
        a=keys[0],
    )
    north.ask(
        "mutation D($a: ID!) { deleteArtifact(input: {artifactID: $a, deleteAliases: true}) { artifact {id} } }",
        a=keys[1],
    )
    for told, expected in zip(urls, (200, 404), strict=True):
        file, manifest = (
            told["files"]["edges"][0]["node"]["directUrl"],
            told["currentManifest"]["file"]["directUrl"],
        )
        for address in (file, manifest):
            assert north.client.get(address.removeprefix(BASE)).status_code == expected  # by its signature
            bare = address.removeprefix(BASE).partition("?")[0]
            assert south.client.get(bare, headers=south.headers).status_code == expected
    digests = [hashlib.md5(f"bytes v{number}".encode()).hexdigest() for number in (0, 1)]
    for digest, expected in zip(digests, (200, 404), strict=True):
        path = f"/artifactsV2/gcp/north/QXJ0/{digest}/x"
        assert south.client.get(path, headers=south.headers).status_code == expected


def test_nobody_shadows_the_name_that_a_client_gave(north: Person, south: Person, services: Services) -> None:
    query = "query Q($c: ID!) { clientIDMapping(clientID: $c) { serverID } }"
    mine = make_version(north, "p", None, "mine", "set")
    client_id = json.dumps({"k": "mine"})
    planted = make_version(south, "p", None, "mine", "set")
    share(services, "p", "south", "north", "read")  # what north may only read is not what it named
    assert north.ask(query, c=client_id)["clientIDMapping"]["serverID"] == mine
    assert south.ask(query, c=client_id)["clientIDMapping"]["serverID"] == planted
    north.ask(
        'mutation L($c: ID!) { linkArtifact(input: {clientID: $c, projectName: "p", artifactPortfolioName: "f"})'
        " { versionIndex } }",
        c=client_id,
    )
    found = north.ask('{ project(name: "p") { artifact(name: "f:v0") { id } } }')["project"]["artifact"]["id"]
    assert found == mine


def test_an_address_is_good_for_its_own_user_and_as_long_as_the_version_takes_files(
    north: Person, south: Person, services: Services
) -> None:
    """A writer who is gone cannot put other bytes of the same MD5 under what north has sent, nor take it over."""
    north.ask('mutation { upsertModel(input: {name: "p"}) { inserted } }')
    share(services, "p", "north", "south", "write")
    made = begin_version(north, "p", "set", "m")
    theirs = address_of(south, made, "w", ONE)
    mine = address_of(north, made, "w", ONE)
    assert theirs is not None
    assert mine is not None
    assert put(south, theirs, OTHER) == 200
    assert put(north, mine, ONE) == 200
    assert send_manifest(north, made, {"w": ONE}) == 200
    north.ask(COMMIT, a=made)
    assert fetched(north, made, "w") == ONE
    share(services, "p", "north", "south", None)
    assert put(south, theirs, OTHER) == 404
    assert put(south, mine, OTHER) == 404
    assert fetched(north, committed(north, "other", {"w": ONE, "x": b"x"}), "w") == ONE


def test_a_client_that_knows_a_digest_gets_the_bytes_of_the_version_that_it_names(
    north: Person, south: Person, services: Services
) -> None:
    mine = committed(north, "set", {"w": ONE})
    committed(south, "set", {"w": OTHER})
    share(services, "p", "south", "north", "read")
    digest = hashlib.md5(ONE).hexdigest()
    reply = north.client.get(f"/artifactsV2/gcp/north/{mine}/{digest}/w", headers=north.headers)
    assert reply.content == ONE


def test_who_may_only_read_a_version_links_it_nowhere(north: Person, south: Person, services: Services) -> None:
    made = committed(north, "set", {"w": b"w"})
    share(services, "p", "north", "south", "read")
    link = (
        'mutation L($a: ID!) { linkArtifact(input: {artifactID: $a, projectName: "own",'
        ' artifactPortfolioName: "f"}) { versionIndex } }'
    )
    assert south.refused(link, a=made) == 403
    share(services, "p", "north", "south", "write")
    south.ask(link, a=made)


# --- pruning while something arrives ---------------------------------------------------------------------------


class Pruned:
    """Prunes everything that nothing names, however young, at one moment of an upload."""

    def __init__(self, folder: Path, moment: int) -> None:
        self.folder = folder
        self.moment = moment
        self.count = 0

    def at(self) -> None:
        if self.count == self.moment:
            upkeep.prune(self.folder, older_than=-1.0)
        self.count += 1


def sent(who: Person, url: str | None, body: bytes) -> None:
    """As a client does: again, where the server says so."""
    for _ in range(2):
        if url is None or put(who, url, body) == 200:
            return
    raise AssertionError("refused twice")


MOMENTS = 17


@pytest.mark.parametrize("moment", range(MOMENTS))
@pytest.mark.parametrize("known", ["new", "claimed", "of a deleted version"])
def test_pruning_takes_nothing_from_what_arrives(
    north: Person, services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: int, known: str
) -> None:
    pruned = Pruned(tmp_path, moment)
    files = {"a": b"the first", "b": b"the second"}
    if known != "new":
        first = committed(north, "set", files)
        for path in (tmp_path / "blobs").glob("??/*"):
            os.utime(path, (0, 0))
        if known == "of a deleted version":
            north.ask("mutation D($a: ID!) { deleteArtifact(input: {artifactID: $a, deleteAliases: true})"
                      " { artifact {id} } }", a=first)  # fmt: skip
    write: Callable[..., Any] = services.store.write

    def write_pruned() -> Any:
        pruned.at()  # between the arrival of a file and the transaction that names it, too
        return write()

    monkeypatch.setattr(services.store, "write", write_pruned)
    made = begin_version(north, "p", "set", "made")
    for name, body in files.items():
        sent(north, address_of(north, made, name, body), body)
    for _ in range(2):
        if send_manifest(north, made, files) == 200:
            break
    reply = north.send(COMMIT, a=made)
    monkeypatch.undo()
    if (
        reply.status_code != 200
    ):  # a claim that was pruned before the commit: told by name, and sent again it is whole
        assert reply.status_code == 422
        for name, body in files.items():
            sent(north, address_of(north, made, name, body), body)
        north.ask(COMMIT, a=made)
    assert {name: fetched(north, made, name) for name in files} == files
    upkeep.prune(tmp_path, older_than=-1.0)
    assert {name: fetched(north, made, name) for name in files} == files
    assert upkeep.verify(tmp_path).problems == []
