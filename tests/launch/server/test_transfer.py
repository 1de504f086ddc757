"""Uploads and downloads: signatures, digests, bounds, broken and full disks, and names that try to escape."""

import base64
import errno
import hashlib
import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from launch.server.errors import ApiError
from launch.server.request import Services
from launch.server.signing import Signer
from tests.launch.server.asgi import Client

FILES = """mutation F($files: [String!]!) { createRunFiles(input: {projectName: "p", runName: "r",
    files: $files}) {
    runID uploadHeaders files { name uploadUrl } } }"""


def local(url: str) -> str:
    assert url.startswith("http://127.0.0.1:8765/storage/")
    return url.removeprefix("http://127.0.0.1:8765")


def digest(data: bytes) -> str:
    return base64.b64encode(hashlib.md5(data).digest()).decode()


def leftovers(services: Services, tmp_path: Path) -> list[str]:
    return [path.name for path in (tmp_path / "blobs" / "incoming").iterdir()]


@pytest.fixture
def upload(ask: Any, make_run: Any, client: Client) -> Any:
    make_run("r")

    def send(name: str, data: bytes | list[bytes], **more: Any) -> Any:
        [file] = ask(FILES, files=[name])["createRunFiles"]["files"]
        return client.put(local(file["uploadUrl"]), content=data, **more)

    return send


@pytest.fixture
def address(ask: Any) -> Any:
    query = """query Q($names: [String]) { project(name: "p") { run(name: "r") { fileCount files(names: $names) {
        edges { node { name url directUrl sizeBytes md5 } } } } } }"""

    def find(name: str) -> Any:
        return ask(query, names=[name])["project"]["run"]["files"]["edges"][0]["node"]

    return find


def test_a_run_file_goes_in_and_comes_out(upload: Any, address: Any, client: Client, headers: Any) -> None:
    assert upload("media/a b.png", [b"one", b"two"]).status_code == 200
    node = address("media/a b.png")
    assert (node["sizeBytes"], node["md5"]) == (6, digest(b"onetwo"))
    reply = client.get(local(node["directUrl"]))
    assert (reply.content, reply.headers["content-type"]) == (b"onetwo", "image/png")
    bare = local(node["url"]).split("?")[0]
    assert client.get(bare).status_code == 403
    assert client.get(bare, headers=headers).content == b"onetwo"
    part = client.get(local(node["url"]), headers={"Range": "bytes=1-3"})
    assert (part.status_code, part.content) == (206, b"net")


def test_a_file_can_be_replaced_and_the_same_bytes_are_stored_once(
    upload: Any, address: Any, tmp_path: Path
) -> None:
    upload("a.txt", b"old")
    upload("a.txt", b"new")
    upload("b.txt", b"new")
    assert address("a.txt")["md5"] == address("b.txt")["md5"] == digest(b"new")
    stored = [path for path in (tmp_path / "blobs").rglob("*") if path.is_file()]
    assert len(stored) == 2


@pytest.mark.parametrize("name", ["a.svg", "a.html", "page.htm", "a.js", "a.xml", "a.bin"])
def test_active_content_is_inert(upload: Any, address: Any, client: Client, name: str) -> None:
    upload(name, b"<script>alert(1)</script>")
    shown = client.get(local(address(name)["url"])).headers
    assert shown["content-type"] == "application/octet-stream"
    assert shown["content-disposition"].startswith("attachment")
    assert shown["x-content-type-options"] == "nosniff"
    assert "sandbox" in shown["content-security-policy"]


@pytest.mark.parametrize(
    "name",
    [
        "../x", "a/../../x", "/etc/passwd", "C:/x", "C:x", "a//b", "", ".", "a\x00b", "x" * 3000,
        "a\\..\\..\\b", "..\\x", "\\x", "\\\\host\\share\\x", "a/..\\..\\b", "C:\\x",
    ],
)  # fmt: skip
def test_names_cannot_escape(ask: Any, make_run: Any, name: str) -> None:
    make_run("r")
    assert "file" in ask(FILES, 400, files=[name])


@pytest.mark.parametrize(
    "name",
    [
        "media/images/$\\alpha$_0.png",
        "tab\tname",
        "two\nlines",
        "a%5Cb",
        "a%09b",
        "50% of #1?.txt",
        "é/ü.txt",
        "...",
    ],
)
def test_a_name_is_kept_as_it_is(
    upload: Any, address: Any, client: Client, headers: dict[str, str], name: str
) -> None:
    assert upload(name, b"this").status_code == 200
    assert upload(name.replace("\\", "%5C").replace("\t", "%09") + "_", b"another").status_code == 200
    node = address(name)
    assert (node["name"], node["sizeBytes"]) == (name, 4)
    reply = client.get(local(node["directUrl"]))
    assert reply.content == b"this"
    assert "\n" not in reply.headers["content-disposition"]
    assert client.get(local(node["url"]).split("?")[0], headers=headers).content == b"this"


def test_a_path_in_the_address_cannot_escape(
    client: Client, services: Services, tmp_path: Path, headers: Any
) -> None:
    for path in (
        "/storage/run/1/../../api_key",
        "/storage/artifact/1/..%2f..%2fapi_key/x",
        "/artifactsV2/d/../../api_key",
    ):
        assert client.get(path, headers=headers).status_code in (400, 404)


def test_forged_expired_and_foreign_signatures(
    upload: Any, address: Any, client: Client, services: Services
) -> None:
    upload("a.txt", b"data")
    upload("b.txt", b"data")
    url = local(address("a.txt")["url"])
    assert client.get(url).status_code == 200
    assert client.get(url[:-1] + ("0" if url[-1] != "0" else "1")).status_code == 403
    assert client.get(url.replace("a.txt", "b.txt")).status_code == 403
    assert client.put(url, content=b"evil").status_code == 403
    expires = url.split("expires=")[1].split("&")[0]
    assert client.get(url.replace(expires, str(int(expires) + 9999))).status_code == 403
    old = services.signer.url("", "GET", "/storage/run/1/a.txt", 1, seconds=-5)
    reply = client.get(old)
    assert (reply.status_code, "expired" in reply.json()["error"]) == (403, True)


def test_a_signature_needs_the_secret() -> None:
    url = Signer(b"one").url("", "GET", "/x", 7)
    query = dict(part.split("=") for part in url.split("?")[1].split("&"))
    assert Signer(b"one").check("GET", "/x", query) == 7
    with pytest.raises(ApiError):
        Signer(b"one").check("GET", "/x", query | {"by": "1"})
    for signer, method, path in (
        (Signer(b"two"), "GET", "/x"),
        (Signer(b"one"), "PUT", "/x"),
        (Signer(b"one"), "GET", "/y"),
    ):
        with pytest.raises(ApiError):
            signer.check(method, path, query)
    for broken in ({}, {"expires": "x", "sig": "y"}, {"expires": str(int(time.time()) + 9), "sig": "é"}):
        with pytest.raises(ApiError):
            Signer(b"one").check("GET", "/x", broken)


def test_uploads_are_bounded(
    upload: Any, monkeypatch: pytest.MonkeyPatch, services: Services, tmp_path: Path
) -> None:
    monkeypatch.setattr("launch.server.transfer.MAX_UPLOAD", 10)
    assert upload("a.bin", b"x" * 11, headers={"Content-Length": "11"}).status_code == 413
    assert upload("a.bin", [b"x" * 6, b"x" * 6]).status_code == 413
    assert leftovers(services, tmp_path) == []


def test_an_upload_that_breaks_off_leaves_nothing(
    upload: Any, services: Services, tmp_path: Path, ask: Any
) -> None:
    assert upload("a.bin", [b"x" * 6], breaks_off=True).status_code == 400
    assert leftovers(services, tmp_path) == []
    assert ask('{ project(name: "p") { run(name: "r") { fileCount } } }')["project"]["run"]["fileCount"] == 0


@pytest.mark.parametrize("function", ["write", "fsync"])
def test_a_full_disk_fails_the_upload_at_once(
    upload: Any, services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, function: str
) -> None:
    def full(*args: Any) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, function, full)
    reply = upload("a.bin", b"data")
    monkeypatch.undo()
    assert (reply.status_code, "no space left" in reply.json()["error"]) == (413, True)
    assert leftovers(services, tmp_path) == []
    assert upload("a.bin", b"data").status_code == 200


CREATE = """mutation C($input: CreateArtifactInput!) { createArtifact(input: $input) { artifact {
    id state artifactSequence { latestArtifact { id versionIndex } } } } }"""
MANIFEST = """mutation M($id: ID!, $digest: String!) { createArtifactManifest(input: {artifactID: $id,
    digest: $digest,
    name: "wandb_manifest.json", type: FULL}) { artifactManifest { id file { uploadUrl uploadHeaders } } } }"""
ADDRESSES = """mutation F($input: CreateArtifactFilesInput!) { createArtifactFiles(input: $input) { files {
    edges { node {
    storagePath uploadUrl uploadHeaders uploadMultipartUrls { uploadID } artifact { id } } } } } }"""
COMMIT = (
    "mutation C($id: ID!) { commitArtifact(input: {artifactID: $id}) { artifact { id digest versionIndex } } }"
)


class Uploader:
    """Does what the client does to log an artifact."""

    def __init__(self, ask: Any, client: Client) -> None:
        self.ask, self.client = ask, client

    def create(self, files: dict[str, bytes], name: str = "ds", **more: Any) -> Any:
        given = {
            "artifactTypeName": "dataset", "artifactCollectionName": name, "projectName": "p", "runName": "r",
            "digest": digest(repr(sorted(files.items())).encode()), "enableDigestDeduplication": True,
            "aliases": [{"alias": "latest", "artifactCollectionName": name}], **more,
        }  # fmt: skip
        return self.ask(CREATE, input=given)["createArtifact"]["artifact"]

    def addresses(self, key: str, files: dict[str, bytes]) -> list[str | None]:
        given = [{"artifactID": key, "name": name, "md5": digest(data)} for name, data in files.items()]
        edges = self.ask(ADDRESSES, input={"artifactFiles": given})["createArtifactFiles"]["files"]["edges"]
        return [edge["node"]["uploadUrl"] for edge in edges]

    def manifest(self, key: str, files: dict[str, bytes], sent: bytes | None = None) -> Any:
        contents = {name: {"digest": digest(data), "size": len(data)} for name, data in files.items()}
        text = json.dumps({"version": 1, "contents": contents}).encode()
        reply = self.ask(MANIFEST, id=key, digest=digest(text))["createArtifactManifest"]["artifactManifest"]
        return self.client.put(local(reply["file"]["uploadUrl"]), content=text if sent is None else sent)

    def log(self, files: dict[str, bytes], **more: Any) -> str:
        key = self.create(files, **more)["id"]
        for url, data in zip(self.addresses(key, files), files.values(), strict=True):
            if url is not None:
                assert self.client.put(local(url), content=data).status_code == 200
        assert self.manifest(key, files).status_code == 200
        self.ask(COMMIT, id=key)
        return str(key)


@pytest.fixture
def uploader(ask: Any, client: Client, make_run: Any) -> Uploader:
    make_run("r")
    return Uploader(ask, client)


BY_NAME = """query B($name: String!) { project(name: "p") { artifactCollectionMembership(name: $name) { __typename
    versionIndex aliases { alias } artifact { id state size fileCount ttlDurationSeconds createdBy { ... on
        Run { name } }
    files { edges { node { name sizeBytes directUrl md5 digest } } } } } } }"""


def test_versions_aliases_files_and_lineage(uploader: Uploader, ask: Any, client: Client) -> None:
    uploader.log({"a.txt": b"one", "d/b.txt": b"two"})
    uploader.log({"a.txt": b"one", "d/b.txt": b"three"}, aliases=[{"alias": "best"}, {"alias": "latest"}])

    def member(name: str) -> Any:
        return ask(BY_NAME, name=name)["project"]["artifactCollectionMembership"]

    assert (member("ds:v0")["aliases"], member("ds:latest")["versionIndex"]) == ([], 1)
    best = member("ds:best")
    assert best["__typename"] == "ArtifactCollectionMembership"
    assert (best["artifact"]["size"], best["artifact"]["fileCount"]) == (8, 2)
    assert best["artifact"]["ttlDurationSeconds"] == -2
    assert best["artifact"]["createdBy"] == {"name": "r"}
    node = best["artifact"]["files"]["edges"][1]["node"]
    assert (node["name"], client.get(local(node["directUrl"])).content) == ("d/b.txt", b"three")
    assert member("ds:gone") is None
    assert member("gone:latest") is None


def test_the_same_content_is_not_stored_again(uploader: Uploader, tmp_path: Path) -> None:
    first = uploader.log({"a.txt": b"one"})
    again = uploader.create({"a.txt": b"one"})
    assert (again["id"], again["state"]) == (first, "COMMITTED")
    assert again["artifactSequence"]["latestArtifact"] == {"id": first, "versionIndex": 0}
    other = uploader.create({"a.txt": b"one", "b.txt": b"new"})
    assert other["state"] == "PENDING"
    urls = uploader.addresses(other["id"], {"a.txt": b"one", "b.txt": b"new"})
    assert urls[0] is None
    assert urls[1] is not None


def test_bytes_that_do_not_match_their_digest_are_refused(
    uploader: Uploader, client: Client, tmp_path: Path
) -> None:
    key = uploader.create({"a.txt": b"one"})["id"]
    [url] = uploader.addresses(key, {"a.txt": b"one"})
    reply = client.put(local(str(url)), content=b"two")
    assert (reply.status_code, "MD5" in reply.json()["error"]) == (422, True)
    assert uploader.manifest(key, {"a.txt": b"one"}, sent=b"{}").status_code == 422
    assert "manifest" in uploader.ask(COMMIT, 422, id=key)
    assert uploader.manifest(key, {"a.txt": b"one"}).status_code == 200
    assert "a.txt: not uploaded" in uploader.ask(COMMIT, 422, id=key)
    assert not any(path.is_file() for path in (tmp_path / "blobs" / "incoming").iterdir())
    assert client.put(local(str(url)), content=b"one").status_code == 200
    uploader.ask(COMMIT, id=key)


def test_a_wrong_size_in_the_manifest_is_found_at_commit(uploader: Uploader, client: Client) -> None:
    key = uploader.create({"a.txt": b"one"})["id"]
    [url] = uploader.addresses(key, {"a.txt": b"one"})
    client.put(local(str(url)), content=b"one")
    text = json.dumps({"contents": {"a.txt": {"digest": digest(b"one"), "size": 4}}}).encode()
    reply = uploader.ask(MANIFEST, id=key, digest=digest(text))["createArtifactManifest"]["artifactManifest"]
    client.put(local(reply["file"]["uploadUrl"]), content=text)
    assert "3 bytes, the manifest says 4" in uploader.ask(COMMIT, 422, id=key)


@pytest.mark.parametrize(
    "manifest",
    [
        b"not json",
        b"[]",
        b'{"contents": {"../a": {"digest": "AAAAAAAAAAAAAAAAAAAAAA==", "size": 0}}}',
        b'{"contents": {"a": {"digest": "short", "size": 0}}}',
        b'{"contents": {"a": {"digest": "AAAAAAAAAAAAAAAAAAAAAA==", "size": -1}}}',
        b'{"contents": {"a": 3}}',
        b'{"contents": {"a": {"size": 3}}}',
    ],
)
def test_broken_manifests(uploader: Uploader, client: Client, manifest: bytes) -> None:
    key = uploader.create({"a": b""})["id"]
    reply = uploader.ask(MANIFEST, id=key, digest=digest(manifest))["createArtifactManifest"]["artifactManifest"]
    assert client.put(local(reply["file"]["uploadUrl"]), content=manifest).status_code == 200
    query = COMMIT
    refused = client.post("/graphql", json={"query": query, "variables": {"id": key}}, headers=_key())
    assert refused.status_code in (400, 422)


def _key() -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(b"api:" + b"k" * 43).decode()}


def test_references_need_no_bytes(uploader: Uploader, client: Client, ask: Any) -> None:
    key = uploader.create({"r": b""})["id"]
    text = b'{"contents": {"r": {"digest": "etag", "ref": "s3://b/r", "size": 9}}}'
    reply = ask(MANIFEST, id=key, digest=digest(text))["createArtifactManifest"]["artifactManifest"]
    client.put(local(reply["file"]["uploadUrl"]), content=text)
    ask(COMMIT, id=key)
    node = ask(BY_NAME, name="ds:v0")["project"]["artifactCollectionMembership"]["artifact"]["files"]["edges"][0][
        "node"
    ]
    assert (node["directUrl"], node["sizeBytes"]) == ("s3://b/r", 9)


def test_a_committed_version_cannot_change(uploader: Uploader) -> None:
    key = uploader.log({"a.txt": b"one"})
    assert "cannot change" in uploader.ask(MANIFEST, 409, id=key, digest=digest(b"x"))
    given = {"artifactFiles": [{"artifactID": key, "name": "x", "md5": digest(b"x")}]}
    assert "cannot change" in uploader.ask(ADDRESSES, 409, input=given)
    uploader.ask(COMMIT, id=key)


def test_a_name_has_one_type(uploader: Uploader) -> None:
    uploader.log({"a.txt": b"one"})
    given = {"artifactTypeName": "model", "artifactCollectionName": "ds", "projectName": "p", "digest": "d"}
    assert "has the type 'dataset'" in uploader.ask(CREATE, 409, input=given)


@pytest.mark.parametrize("alias", ["v3", "a/b", "a:b", "", "x" * 200, None])
def test_aliases_that_cannot_be(uploader: Uploader, alias: Any) -> None:
    given = {
        "artifactTypeName": "t", "artifactCollectionName": "n", "projectName": "p", "digest": "d",
        "aliases": [{"alias": alias}],
    }  # fmt: skip
    assert "alias" in uploader.ask(CREATE, 400, input=given)


def test_use_update_and_delete(uploader: Uploader, ask: Any) -> None:
    key = uploader.log({"a.txt": b"one"})
    ask(
        """mutation U($id: ID!) { useArtifact(input: {artifactID: $id, projectName: "p",
            runName: "r"}) { artifact { id } } }""",
        id=key,
    )
    used = ask('{ project(name: "p") { run(name: "r") { inputArtifacts { totalCount edges { node { id } } } } } }')
    assert used["project"]["run"]["inputArtifacts"] == {"totalCount": 1, "edges": [{"node": {"id": key}}]}
    update = """mutation U($i: UpdateArtifactInput!) { updateArtifact(input: $i) { artifact {
        description metadata tags { name } aliases { alias artifactCollection { __typename name } } } } }"""
    tags = [{"tagName": "a"}, {"tagName": "b"}]
    ask(update, i={"artifactID": key, "description": "d", "metadata": '{"k": 1}', "tagsToAdd": tags})
    shown = ask(update, i={"artifactID": key, "tagsToDelete": [{"tagName": "a"}]})["updateArtifact"]["artifact"]
    assert (shown["description"], json.loads(shown["metadata"])) == ("d", {"k": 1})
    assert shown["tags"] == [{"name": "b"}]
    assert shown["aliases"][0]["artifactCollection"] == {"__typename": "ArtifactSequence", "name": "ds"}
    delete = "mutation D($i: DeleteArtifactInput!) { deleteArtifact(input: $i) { artifact { id } } }"
    assert "aliases latest" in ask(delete, 409, i={"artifactID": key})
    ask(delete, i={"artifactID": key, "deleteAliases": True})
    assert ask("query A($id: ID!) { artifact(id: $id) { id } }", id=key)["artifact"] is None
    assert uploader.create({"a.txt": b"one"})["state"] == "PENDING"


def test_files_by_digest_for_clients_without_an_address(uploader: Uploader, client: Client, headers: Any) -> None:
    uploader.log({"a.txt": b"one"})
    md5 = hashlib.md5(b"one").hexdigest()
    for path in (f"/artifactsV2/default/local/p/ds//{md5}/a.txt", f"/artifacts/local/{md5}"):
        assert client.get(path, headers=headers).content == b"one"
        assert client.get(path).status_code == 401


def test_leftovers_of_a_killed_server_are_removed(tmp_path: Path) -> None:
    from launch.server.blobs import Blobs

    (tmp_path / "incoming").mkdir()
    (tmp_path / "incoming" / "tmpx").write_bytes(b"half")
    Blobs(tmp_path)
    assert list((tmp_path / "incoming").iterdir()) == []
