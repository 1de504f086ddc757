"""What is sent and taken in bulk: which, in which order, by whom; and that nobody waits for it."""

import hashlib
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from launch.server.bulk import reading, restoring
from launch.server.bulk.parts import Part, packed, read_parts
from launch.server.bulk.reading import Place
from launch.server.errors import ApiError
from launch.server.limits import ServeOptions
from launch.server.request import Request, Services
from launch.server.storage.bulk import Which
from launch.server.storage.lines import CONSOLE, HISTORY
from tests.launch.server.asgi import Client, Reply
from tests.launch.server.people import Person, make_things

Make = Callable[..., Person]


@pytest.fixture
def options() -> ServeOptions:
    return ServeOptions(lab=True)


@pytest.fixture
def person(services: Services, client: Client) -> Make:
    def make(name: str, *, read_only: bool = False) -> Person:
        key = hashlib.sha256(f"{name}{read_only}".encode()).hexdigest()[:40]
        with services.store.write() as tables:
            known = tables.users.by_name(name)
            user = known["id"] if known is not None else tables.users.add(name)
            tables.users.add_key(user, key, read_only=read_only)
        return Person(client, key)

    return make


def parts_of(reply: Reply) -> list[Part]:
    import io

    assert reply.status_code == 200, reply.text
    return list(read_parts(io.BytesIO(reply.content), 1 << 30))


def get(who: Person, path: str) -> Reply:
    return who.client.get(path, headers=who.headers)


def send(who: Person, parts: list[bytes], home: str = "north/p") -> Reply:
    return who.client.post(f"/bulk/{home}/restore", content=b"".join(parts), headers=who.headers)


def put(who: Person, data: bytes, home: str = "north/p") -> Reply:
    return who.client.put(f"/bulk/{home}/blob", content=data, headers=who.headers)


RUN = {"id": "r9", "state": "finished", "created_at": 5.25, "heartbeat_at": 6.5}


def run_part(**more: Any) -> bytes:
    proofs = more.pop("proofs", {})
    return packed("run", json.dumps(RUN | more).encode(), proofs=proofs)


def fill(services: Services, count: int, rows: int = 3) -> int:
    with services.store.write() as tables:
        project = tables.projects.make("big")[0]["id"]
        for index in range(count):
            run = tables.runs.add(project, f"r{index}", display_name="x", state="finished")
            tables.runs.set(run, heartbeat_at=100.0 + index)
            tables.lines.put(run, HISTORY, 0, [f'{{"_step":{step},"x":{index}}}' for step in range(rows)])
    return int(project)


def pages(services: Services, which: Which) -> Iterator[list[bytes]]:
    place: Place | None = Place()
    while place is not None:
        with Request(services, "", writes=False) as request:
            page = reading.runs(request, which, place)
        yield page.parts
        place = page.then


def test_runs_come_in_the_order_of_their_keys_and_after_a_key(services: Services, client: Client, headers: Any):
    fill(services, 120)
    every = parts_of(client.get("/bulk/local/big/runs", headers=headers))
    assert [part.kind for part in every] == ["run", "history"] * 120 + ["end"]
    runs = [part.head for part in every if part.kind == "run"]
    assert [head["run"] for head in runs] == [f"r{index}" for index in range(120)]
    assert every[1].body == b'{"_step":0,"x":0}\n{"_step":1,"x":0}\n{"_step":2,"x":0}\n'
    later = parts_of(client.get(f"/bulk/local/big/runs?after={runs[99]['key']}", headers=headers))
    assert later == every[200:]
    assert client.get("/bulk/local/big/project", headers=headers).json()["runs"] == 120


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("since=117.5", ["r18", "r19"]),
        ("run=r3&run=r11&run=none", ["r3", "r11"]),
        ("run=r3&since=104", []),
        ("streams=events", [f"r{index}" for index in range(20)]),
    ],
)
def test_which_runs(services: Services, client: Client, headers: Any, query: str, names: list[str]):
    fill(services, 20)
    found = parts_of(client.get(f"/bulk/local/big/runs?{query}", headers=headers))
    assert [part.head["run"] for part in found if part.kind == "run"] == names
    assert ("history" in {part.kind for part in found}) == bool(names and "streams" not in query)


def test_pages_are_bounded_and_a_long_run_goes_over_several(services: Services, monkeypatch: pytest.MonkeyPatch):
    project = fill(services, 3, rows=4_000)
    monkeypatch.setattr(reading, "PAGE", 10_000)
    monkeypatch.setattr(reading, "PIECE", 8_000)
    found = list(pages(services, Which(project)))
    assert max(sum(map(len, page)) for page in found) < 40_000
    whole: dict[str, list[int]] = {}
    for page in found:
        for text in page:
            line, _, body = text.partition(b"\n")
            head = json.loads(line)
            if head["part"] == "history":
                assert head["rows"] == body.count(b"\n")
                whole.setdefault(body.split(b'"x":')[1][:1].decode(), []).extend(
                    range(head["first"], head["first"] + head["rows"])
                )
    assert whole == {str(index): list(range(4_000)) for index in range(3)}


def test_writers_go_on_between_and_during_pages(services: Services, monkeypatch: pytest.MonkeyPatch):
    project = fill(services, 5)
    monkeypatch.setattr(reading, "PAGE", 1)
    reader = pages(services, Which(project))
    next(reader)
    with services.store.write() as tables:  # would wait for ever if the reader held the database
        tables.lines.put(5, HISTORY, 3, ['{"_step":3,"x":4}'])
    rest = b"".join(b"".join(page) for page in reader)
    assert b'{"_step":3,"x":4}' in rest


def test_lines_with_numbers_of_their_own_and_breaks_in_them(services: Services, client: Client, headers: Any):
    project = fill(services, 1, rows=0)
    with services.store.write() as tables:
        tables.lines.put(1, HISTORY, 0, ['{"_step": 0,\n "a": "x\\ny"}', '{"_step": 1}'])
        tables.lines.put(1, HISTORY, 7, ['{"_step": 7}'])
        tables.lines.put(1, CONSOLE, 0, ["one\n", 'tw\u2028o "quoted"'])
    assert project
    sent = parts_of(client.get("/bulk/local/big/runs", headers=headers))
    assert sent[1].body == b'{"_step": 0,  "a": "x\\ny"}\n{"_step": 1}\n{"_step": 7}\n'
    assert sent[1].head["lines"] == [0, 1, 7]
    assert [json.loads(line) for line in sent[2].body.splitlines()] == ["one\n", 'tw\u2028o "quoted"']
    back = [packed(part.kind, part.body, **{k: v for k, v in part.head.items() if k not in ("part", "bytes")})
            for part in sent[:-1]]  # fmt: skip
    answer = client.post("/bulk/local/other/restore", content=b"".join(back), headers=headers)
    assert [result["verdict"] for result in answer.json()["results"]] == ["stored"]
    assert parts_of(client.get("/bulk/local/other/runs", headers=headers))[1:] == sent[1:]


def test_who_may_read_and_who_may_restore(person: Make, services: Services):
    north, south, looker = person("north"), person("south"), person("north", read_only=True)
    make_things(north)
    for path in ("project", "runs", "sweeps", "artifacts"):
        assert get(north, f"/bulk/north/p/{path}").status_code == 200
        assert get(looker, f"/bulk/north/p/{path}").status_code == 200
        assert get(south, f"/bulk/north/p/{path}").status_code == 404
        assert north.client.get(f"/bulk/north/p/{path}").status_code == 401
    assert send(south, [run_part()]).status_code == 404
    assert send(looker, [run_part()]).status_code == 403
    assert put(south, b"x").status_code == 404
    assert put(looker, b"x").status_code == 403
    with services.store.write() as tables:
        project = tables.projects.by_name("p", tables.users.by_name("north")["id"])["id"]  # type: ignore[index]
        tables.projects.share(project, tables.users.by_name("south")["id"], "read")  # type: ignore[index]
    assert get(south, "/bulk/north/p/runs").status_code == 200
    assert send(south, [run_part()]).status_code == 403
    assert put(south, b"x").status_code == 403
    assert send(north, [run_part()]).json()["results"] == [
        {"kind": "run", "name": "r9", "verdict": "stored", "why": ""}
    ]


def test_to_name_a_file_takes_having_sent_it(person: Make, services: Services):
    north, south = person("north"), person("south")
    told = put(north, b"secret").json()
    assert told["sha256"] == hashlib.sha256(b"secret").hexdigest()
    file = {"name": "f.txt", "sha256": told["sha256"], "md5": told["md5"], "size": 6, "updated_at": 1.0}
    proof = {told["sha256"]: [told["md5"], told["proof"]]}
    for proofs in ({}, {told["sha256"]: [told["md5"], "by=1&expires=9&sig=x"]}, proof):
        reply = send(south, [run_part(files=[file], proofs=proofs)], "south/p")
        assert reply.status_code == 403, reply.text
    wrong = {"md5": "0" * 32, "size": 7}
    for key, value in wrong.items():
        assert send(north, [run_part(files=[file | {key: value}], proofs=proof)]).status_code in (403, 422)
    assert parts_of(get(north, "/bulk/north/p/runs"))[0].kind == "end"  # all or nothing
    assert send(north, [run_part(files=[file], proofs=proof)]).status_code == 200
    [run, _] = parts_of(get(north, "/bulk/north/p/runs"))
    [stored] = json.loads(run.body)["files"]
    assert (stored["sha256"], stored["updated_at"]) == (told["sha256"], 1.0)
    assert get(north, stored["at"]).content == b"secret"


def test_a_quota_holds(person: Make, services: Services):
    north = person("north")
    with services.store.write() as tables:
        tables.usage.limit(tables.users.by_name("north")["id"], runs=1, size=10_000)  # type: ignore[index]
    assert put(north, b"x" * 20_000).status_code == 403
    assert send(north, [run_part()]).status_code == 200
    refused = send(north, [run_part(id="r10")])
    assert refused.status_code == 403
    assert "quota" in refused.json()["error"]


@pytest.mark.parametrize(
    ("body", "status", "told"),
    [
        (b"hello", 422, "not the head of a part"),
        (b'{"part": "run", "bytes": 50}\nshort', 422, "broke off after 5 of 50"),
        (packed("history", b"{}"), 422, "belongs to nothing"),
        (packed("run", b"[]"), 422, "must be a JSON object"),
        (run_part(id="a/b"), 400, "a/b"),
        (run_part(state="odd"), 422, "state is 'odd'; it must be one of pending, running"),
        (run_part(created_at="now"), 422, "created_at is 'now'; it must be seconds since 1970"),
        (run_part(created_at=float("nan")), 422, "created_at is 'nan'"),
        (run_part(config=[]), 422, "config is '[]'; it must be a JSON dict"),
        (run_part(sweep="none"), 409, "r9 is of the sweep none, which is not there: send it before"),
        (run_part() + packed("history", b"no row\n", first=0), 422, "a line must be a JSON object"),
        (run_part() + packed("history", b"{}\n{}\n", lines=[1]), 422, "2 lines and 1 numbers"),
        (run_part() + packed("other", b"{}\n"), 422, "no stream 'other'"),
    ],
)
def test_what_is_not_what_it_must_be_stores_nothing(
    client: Client, headers: Any, body: bytes, status: int, told: str
):
    reply = client.post("/bulk/local/p/restore", content=body, headers=headers)
    assert (reply.status_code, told in reply.text) == (status, True), reply.text
    assert client.get("/bulk/local/p/runs", headers=headers).status_code in (200, 404)
    assert not client.get("/bulk/local/p/runs", headers=headers).content.startswith(b'{"part":"run"')


@pytest.mark.parametrize("query", ["after=x", "since=noon", "streams=rows", "sweep=none"])
def test_a_wrong_question_is_told(services: Services, client: Client, headers: Any, query: str):
    fill(services, 1)
    reply = client.get(f"/bulk/local/big/runs?{query}", headers=headers)
    assert reply.status_code in (400, 404)
    assert query.split("=")[1] in reply.json()["error"]


def test_for_a_client_that_has_gone_nothing_more_is_read(
    services: Services, client: Client, headers: Any, monkeypatch: pytest.MonkeyPatch
):
    fill(services, 200)
    read: list[int] = []
    real = reading.runs

    def counted(*given: Any) -> Any:
        read.append(1)
        return real(*given)

    monkeypatch.setattr(reading, "RUNS", 1)
    monkeypatch.setattr(reading, "runs", counted)
    client.request("GET", "/bulk/local/big/runs", headers=headers, breaks_off=True)
    assert len(read) < 20
    for _ in range(5):  # its place among the large answers was given back
        assert client.get("/bulk/local/big/sweeps", headers=headers).status_code == 200


def test_a_thing_of_another_kind_is_refused_whole():
    with pytest.raises(ApiError, match="belongs to nothing"):
        list(restoring.units(iter([Part("points", {}, b"")])))
    parts = [Part(kind, {}, b"") for kind in ("sweep", "run", "history", "run", "settle", "points")]
    assert [[part.kind for part in unit] for unit in restoring.units(iter(parts))] == [
        ["sweep"], ["run", "history"], ["run"], ["settle", "points"],
    ]  # fmt: skip
