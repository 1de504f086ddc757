"""Lines that are taken in together: nobody's are lost, nobody's are told to be stored that are not."""

import gzip
import json
import threading
from typing import Any

import anyio
import pytest

from launch.server import intake
from launch.server.auth import THE_OWNER
from launch.server.errors import ApiError, DiskFull
from launch.server.intake import Intake, Sent
from launch.server.request import Services
from launch.server.storage import lines
from launch.server.threads import Threads


@pytest.fixture
def runs(services: Services) -> dict[str, int]:
    with services.store.write() as tables:
        project, _ = tables.projects.make("p", 1)
        return {
            name: tables.runs.add(project["id"], name, display_name=name, state="running", started=1)
            for name in ("a", "b", "c")
        }


def sent(run: str, *rows: object, offset: int = 0, body: bytes | None = None, gzipped: bool = False) -> Sent:
    content = [json.dumps(row) for row in rows]
    files = {"wandb-history.jsonl": {"offset": offset, "content": content}}
    text = json.dumps({"files": files}).encode() if body is None else body
    return Sent(THE_OWNER, ("local", "p", run), text, gzipped)


def take_all(line: Intake, everything: list[Sent]) -> list[Any]:
    """The answer or the error of each, all sent at once."""
    results: dict[int, Any] = {}

    async def one(index: int, item: Sent) -> None:
        try:
            results[index] = await line.take(item)
        except Exception as error:
            results[index] = error

    async def all_at_once() -> None:
        async with anyio.create_task_group() as tasks:
            for index, item in enumerate(everything):
                tasks.start_soon(one, index, item)

    anyio.run(all_at_once)
    return [results[index] for index in range(len(everything))]


def rows_of(services: Services, key: int) -> list[Any]:
    with services.store.read() as tables:
        return [json.loads(text) for text in tables.lines.texts(key, lines.HISTORY)]


def test_what_is_refused_takes_nothing_else_along(services: Services, runs: dict[str, int]) -> None:
    before = services.store.commits
    everything = [
        sent("a", {"x": 0}),
        sent("unknown", {"x": 0}),
        sent("a", {"x": 1}, offset=1),
        sent("b", body=b"{"),
        sent("b", [1]),
        sent("b", body=b"no gzip", gzipped=True),
        sent("b", body=gzip.compress(b"{}" * 100)[:9], gzipped=True),
        sent("b", body=gzip.compress(b"{}")[:10] + b"\xff" * 30, gzipped=True),
        sent("b", body=gzip.compress(b" " * 100), gzipped=True),
        *(sent("c", {"x": index}, offset=index) for index in range(60)),
    ]
    told = take_all(Intake(services, Threads()), everything)
    statuses = [item.status if isinstance(item, ApiError) else item["stopped"] for item in told]
    assert statuses == [False, 404, False, 400, 400, 400, 400, 400, False, *[False] * 60]
    assert rows_of(services, runs["a"]) == [{"x": 0}, {"x": 1}]
    assert rows_of(services, runs["b"]) == []
    assert rows_of(services, runs["c"]) == [{"x": index} for index in range(60)]
    assert services.store.commits - before < len(everything) / 4


def test_large_payloads_do_not_wait_for_each_others_transaction(
    services: Services, runs: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "MOST_BYTES", 300)
    before = services.store.commits
    everything = [sent("a", {"x": "y" * 200}, offset=index) for index in range(9)]
    assert all(told["stopped"] is False for told in take_all(Intake(services, Threads()), everything))
    assert len(rows_of(services, runs["a"])) == 9
    assert services.store.commits - before == 9


def test_a_full_disk_is_told_to_everybody(
    services: Services, runs: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    receive = intake.filestream.receive

    def full(request: Any, path: Any, *rest: Any) -> Any:
        if path[2] == "b":
            raise DiskFull("here")
        return receive(request, path, *rest)

    def broken(changes: Any) -> Any:
        raise DiskFull("here")

    line = Intake(services, Threads())
    monkeypatch.setattr("launch.server.intake.filestream.receive", full)
    told = take_all(line, [sent("a", {"x": 0}), sent("b", {"x": 0})])
    assert told[0]["exitcode"] is None
    assert isinstance(told[1], DiskFull)
    monkeypatch.setattr(services.store, "write_each", broken)
    assert all(isinstance(item, DiskFull) for item in take_all(line, [sent("a", {"x": 1}), sent("c", {"x": 1})]))
    assert [len(rows_of(services, runs[name])) for name in ("a", "b", "c")] == [1, 0, 0]


def test_nothing_is_acknowledged_that_was_taken_along_and_dropped(
    services: Services, runs: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who takes the others along may be cancelled before it begins."""

    async def never(work: Any, *given: Any) -> None:
        await anyio.sleep_forever()

    told: list[Any] = []

    async def scenario() -> None:
        line = Intake(services, Threads())
        scope = anyio.CancelScope()

        async def first() -> None:
            with scope:
                await line.take(sent("a", {"x": 0}))

        async def second() -> None:
            try:
                told.append(await line.take(sent("b", {"x": 0})))
            except ApiError as error:
                told.append(error.status)

        async with anyio.create_task_group() as tasks:
            async with line._turn:
                for work in (first, second):
                    tasks.start_soon(work)
                    await anyio.wait_all_tasks_blocked()
            await anyio.wait_all_tasks_blocked()
            scope.cancel()

    monkeypatch.setattr(Threads, "for_rows", never)
    anyio.run(scenario)
    assert told == [503]
    assert rows_of(services, runs["b"]) == []


def test_a_large_body_is_read_before_it_stands_in_line(
    services: Services, runs: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "SMALL", 10)
    threads = []
    read = Sent.read
    monkeypatch.setattr(Sent, "read", lambda item: threads.append(threading.get_ident()) or read(item))
    assert take_all(Intake(services, Threads()), [sent("a", {"x": 0}), sent("a", body=b"")])[1]["exitcode"] is None
    assert len(threads) == 2
    assert rows_of(services, runs["a"]) == [{"x": 0}]
