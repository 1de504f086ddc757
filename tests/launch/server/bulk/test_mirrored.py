"""What a mirror asks for: stamps that change when anything does, and the tables of runs; each reader's own."""

import io
import json
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from launch.server.bulk import mirrored
from launch.server.bulk.parts import Part, read_parts
from tests.launch.server.asgi import Client
from tests.launch.server.conftest import Ask
from tests.launch.server.test_transfer import Uploader

Make = Callable[..., Any]
Headers = dict[str, str]


def parts(client: Client, headers: Headers, path: str) -> list[Part]:
    reply = client.get(f"/bulk/local/p/{path}", headers=headers)
    assert reply.status_code == 200, reply.text
    found = list(read_parts(io.BytesIO(reply.content), 1 << 30))
    assert found[-1].kind == "end"
    return found[:-1]


def stamps(client: Client, headers: Headers, query: str = "") -> dict[str, str]:
    lines = b"".join(part.body for part in parts(client, headers, f"index{query}")).splitlines()
    return {name: stamp for _, name, _, stamp in map(json.loads, lines)}


def test_a_stamp_is_another_one_once_anything_has_changed(
    client: Client, headers: Headers, make_run: Make, ask: Ask, stream: Make
) -> None:
    make_run("r")
    make_run("b", config='{"x": {"value": NaN}}')
    before = stamps(client, headers)
    assert list(before) == ["r", "b"]
    assert stamps(client, headers) == before
    row = {"files": {"wandb-history.jsonl": {"offset": 0, "content": ['{"_step": 0, "x": 1}']}}}
    for change in (
        lambda: stream("r", row),
        lambda: make_run("r", tags=["t"]),
        lambda: make_run("r", summary='{"x": 2}'),
        lambda: Uploader(ask, client).log({"t.parquet": b"one"}),
    ):
        change()
        now = stamps(client, headers)
        assert now["r"] != before["r"]
        assert now["b"] == before["b"]
        before = now


def test_some_of_the_runs(client: Client, headers: Headers, make_run: Make, make_sweep: Make) -> None:
    for name in ("a", "b", "c"):
        make_run(name)
    assert list(stamps(client, headers, "?run=c&run=a")) == ["a", "c"]
    sweep = make_sweep()["name"]
    assert stamps(client, headers, f"?sweep={sweep}") == {}
    assert client.get("/bulk/local/p/index?sweep=none", headers=headers).status_code == 404
    assert client.get("/bulk/local/gone/index", headers=headers).status_code == 404
    assert client.get("/bulk/local/p/index").status_code == 401


def test_an_index_of_many_pages(
    client: Client, headers: Headers, make_run: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirrored, "RUNS", 3)
    for index in range(7):
        make_run(f"r{index}")
    assert list(stamps(client, headers)) == [f"r{index}" for index in range(7)]
    heads = [part.head["rows"] for part in parts(client, headers, "index")]
    assert heads == [3, 3, 1]
    assert [part.head["run"] for part in parts(client, headers, "tables")] == [f"r{index}" for index in range(7)]


def log(uploader: Uploader, kind: str, files: dict[str, bytes], name: str = "ds", **more: Any) -> None:
    uploader.log(files, name=name, artifactTypeName=kind, **more)


def told(found: Iterable[Part]) -> list[tuple[str, str, bytes]]:
    return [(part.head["table"], part.head["path"], part.body) for part in found if part.kind == "file"]


def test_tables_of_a_run_are_those_of_its_newest_results(
    client: Client, headers: Headers, make_run: Make, ask: Ask
) -> None:
    make_run("r")
    uploader = Uploader(ask, client)
    log(uploader, "run_table", {"seen.table.json": b"{}"}, "run-r-seen")
    assert told(parts(client, headers, "tables")) == [("seen", "seen.table.json", b"{}")]
    log(uploader, "results", {"t.parquet": b"old"}, "results-1")
    log(uploader, "results", {"t.parquet": b"new", "config.json": b"{}", "a.npz": b"x"}, "results-1",
        metadata='{"apart": ["large", 3]}')  # fmt: skip
    log(uploader, "model", {"m.parquet": b"no table"}, "model-1")
    found = parts(client, headers, "tables")
    assert told(found) == [("t", "t.parquet", b"new")]
    assert [part.head["apart"] for part in found if part.kind == "version"] == [["large"]]


def test_a_large_table_is_told_by_its_address(
    client: Client, headers: Headers, make_run: Make, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirrored, "MOST_BYTES", 4)
    make_run("r")
    log(Uploader(ask, client), "results", {"t.parquet": b"large", "u.parquet": b"tiny"})
    large, tiny = (part for part in parts(client, headers, "tables") if part.kind == "file")
    assert (large.body, tiny.body) == (b"", b"tiny")
    assert client.get(large.head["at"], headers=headers).content == b"large"
