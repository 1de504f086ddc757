"""How a version becomes official: page by page, whole or not at all, and as what was read."""

import base64
import hashlib
import os
from collections.abc import Callable
from typing import Any

import pytest

from launch.server import manifests
from launch.server.errors import ApiError
from launch.server.limits import ServeOptions
from launch.server.manifests import LARGE, PAGE
from launch.server.request import Services
from launch.server.resolvers import commits
from tests.launch.server.asgi import Client
from tests.launch.server.marked import (
    COMMIT,
    address_of,
    begin_version,
    make_version,
    person,
    put,
    send_manifest,
    send_part,
)
from tests.launch.server.moments import at_write
from tests.launch.server.people import Person
from tests.launch.server.test_users import share

BODY = b"the same in every file"
HELD = """query H($a: ID!, $n: [String]) { artifact(id: $a) { state fileCount size
    files(names: $n) { edges { node { name sizeBytes } } } } }"""


@pytest.fixture
def options() -> ServeOptions:
    return ServeOptions(lab=True)


@pytest.fixture
def north(services: Services, client: Client) -> Person:
    return person(services, client, "north")


@pytest.fixture
def south(services: Services, client: Client) -> Person:
    return person(services, client, "south")


def begun(who: Person, count: int, mark: str = "many") -> str:
    """A version whose manifest names so many files, all of them here."""
    made = begin_version(who, "p", "set", mark)
    url = address_of(who, made, "0", BODY)
    assert url is None or put(who, url, BODY) == 200
    assert send_manifest(who, made, {str(number): BODY for number in range(count)}, mark=mark) == 200
    return made


def held(who: Person, artifact: str, *names: str) -> tuple[str, int, int]:
    found = who.ask(HELD, a=artifact, n=list(names))["artifact"]
    assert len(found["files"]["edges"]) == len(names)
    return found["state"], found["fileCount"], found["size"]


def test_a_version_of_many_files_is_stored_page_by_page(
    north: Person, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = begun(north, 2 * PAGE + 1)
    pages: list[int] = []
    add = services.store._writer[1].artifacts.add_entries

    def noted(key: int, entries: list[Any]) -> None:
        pages.append(len(entries))
        add(key, entries)

    monkeypatch.setattr(services.store._writer[1].artifacts, "add_entries", noted)
    transactions = at_write(services, monkeypatch, -1, lambda: None)
    north.ask(COMMIT, a=made)
    assert pages == [PAGE, PAGE, 1]
    assert len(transactions) == 1 + 3 + 1, (
        "what is left is cleared, each page is stored, the version gets its number"
    )
    monkeypatch.undo()
    assert held(north, made, "0", str(2 * PAGE)) == ("COMMITTED", 2 * PAGE + 1, (2 * PAGE + 1) * len(BODY))


def test_a_large_manifest_is_read_in_another_process_and_what_is_wrong_with_it_is_told(
    north: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere: list[int] = []
    spied: Callable[..., Any] = manifests.elsewhere

    def noted(work: Any, paths: Any) -> Any:
        elsewhere.append(spied(os.getpid))
        return spied(work, paths)

    monkeypatch.setattr(manifests, "elsewhere", noted)
    count = LARGE // 50
    made = begun(north, count)
    north.ask(COMMIT, a=made)
    assert held(north, made, "0")[1] == count
    wrong = begin_version(north, "p", "set", "wrong")
    assert send_manifest(north, wrong, {str(n): BODY for n in range(count)} | {"../x": BODY}) == 200
    reply = north.send(COMMIT, a=wrong)
    assert reply.status_code == 400
    assert "'../x'" in reply.json()["error"]
    assert len(elsewhere) == 2
    assert os.getpid() not in elsewhere


@pytest.mark.parametrize("number", range(5))
def test_a_commit_that_broke_off_is_made_good_by_the_next(
    north: Person, services: Services, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    made = begun(north, 2 * PAGE + 1)

    def fail() -> None:
        raise ApiError("the server was killed", 503)

    at_write(services, monkeypatch, number, fail)
    assert north.refused(COMMIT, a=made) == 503
    monkeypatch.undo()
    assert north.ask("query S($a: ID!) { artifact(id: $a) { state fileCount } }", a=made)["artifact"] == {
        "state": "PENDING", "fileCount": 0,
    }  # fmt: skip
    fewer = {str(number): BODY for number in range(PAGE + 7)}
    assert send_manifest(north, made, fewer, mark="anew") == 200
    north.ask(COMMIT, a=made)
    assert held(north, made, "0", str(PAGE + 6)) == ("COMMITTED", len(fewer), len(fewer) * len(BODY))
    assert north.ask(HELD, a=made, n=[str(PAGE + 7)])["artifact"]["files"]["edges"] == []


def test_what_changed_meanwhile_is_not_committed_as_it_was(
    north: Person, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = begun(north, 3)
    at_write(services, monkeypatch, 2, lambda: send_manifest(north, made, {"0": BODY}, mark="newer") and None)
    reply = north.send(COMMIT, a=made)
    assert (reply.status_code, "try again" in reply.json()["error"]) == (503, True)
    monkeypatch.undo()
    north.ask(COMMIT, a=made)
    assert held(north, made, "0")[:2] == ("COMMITTED", 1)


def test_a_version_that_was_deleted_meanwhile_stays_deleted(
    north: Person, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = begun(north, 3)
    drop = "mutation D($a: ID!) { deleteArtifact(input: {artifactID: $a}) { artifact { id } } }"
    at_write(services, monkeypatch, 2, lambda: north.ask(drop, a=made) and None)
    assert north.refused(COMMIT, a=made) in (404, 503)
    monkeypatch.undo()
    assert north.refused(COMMIT, a=made) == 404


def test_a_commit_comes_alone_in_its_operation(north: Person) -> None:
    """An operation is one transaction, which would keep everybody else from writing for as long as it takes."""
    made = begun(north, 3)
    for other in (
        "b: commitArtifact(input: {artifactID: $a}) { artifact { state } }",
        "b: stopRun(input: {id: $a}) { success }",
    ):
        commit = "a: commitArtifact(input: {artifactID: $a}) { artifact { state } }"
        reply = north.send(f"mutation K($a: ID!) {{ {commit} {other} }}", a=made)
        assert reply.status_code == 400
        assert "commitArtifact can take its time: send it in an operation of its own" in reply.json()["error"]
    assert north.ask("query S($a: ID!) { artifact(id: $a) { state } }", a=made)["artifact"]["state"] == "PENDING"


def test_every_file_that_is_missing_is_counted(north: Person) -> None:
    made = begin_version(north, "p", "set", "none")
    assert send_manifest(north, made, {str(number): b"never sent" for number in range(PAGE + 5)}) == 200
    reply = north.send(COMMIT, a=made)
    assert reply.status_code == 422
    assert f"and {PAGE + 5 - commits.SHOWN} more" in reply.json()["error"]


# --- what a version keeps of another -------------------------------------------------------------------------


def test_a_draft_keeps_what_its_base_holds_and_of_nothing_else(north: Person) -> None:
    base = make_version(north, "p", None, "old", "set")
    kept = {"old.txt": b"bytes old"}
    for given, status in ((base, 200), (None, 422), (make_version(north, "p", None, "other", "set"), 422)):
        draft = begin_version(north, "p", "set", f"draft of {given}")
        send_part(north, draft, kept, "FULL", given)
        assert north.send(COMMIT, a=draft).status_code == status


@pytest.mark.parametrize("kind", ["FULL", "INCREMENTAL"])
def test_nothing_is_kept_of_a_base_that_is_not_seen_any_more(
    north: Person, south: Person, services: Services, kind: str
) -> None:
    base = make_version(north, "p", None, "secret", "set")
    share(services, "p", "north", "south", "read")
    draft = begin_version(south, "p", "set", "draft")
    send_part(south, draft, {} if kind == "INCREMENTAL" else {"x": b"bytes secret"}, kind, base)
    share(services, "p", "north", "south", None)
    reply = south.send(COMMIT, a=draft)
    assert reply.status_code == 422
    assert "secret" not in reply.json()["error"], "a path of the base is none of south's business"
    share(services, "p", "north", "south", "read")
    south.ask(COMMIT, a=draft)
    key = base64.b64decode(draft).decode().partition(":")[2]
    md5 = hashlib.md5(b"bytes secret").hexdigest()
    assert south.client.get(f"/storage/artifact/{key}/{md5}/x", headers=south.headers).content == b"bytes secret"
