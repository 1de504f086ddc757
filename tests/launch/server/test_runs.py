"""Runs: who made them, what is told of them, lists and pages, and the rows of `file_stream`."""

import gzip
import json
import threading
import time
from typing import Any

import pytest

from launch.server import lifecycle, limits
from launch.server.request import Services
from tests.launch.server.asgi import Client
from tests.launch.server.conftest import UPSERT

RUN = 'query R($n: String!, $specs: [JSONString!]) { project(name: "p") { run(name: $n) { %s } } }'


def told(ask: Any, name: str, fields: str, **variables: Any) -> Any:
    return ask(RUN % fields, n=name, **variables)["project"]["run"]


def history(*rows: Any, offset: int = 0) -> dict[str, Any]:
    return {"files": {"wandb-history.jsonl": {"offset": offset, "content": [json.dumps(row) for row in rows]}}}


def test_inserted_is_true_for_exactly_one_of_many(ask: Any) -> None:
    results: list[bool] = []

    def call() -> None:
        results.append(ask(UPSERT, name="lease")["upsertBucket"]["inserted"])

    threads = [threading.Thread(target=call) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == [False] * 11 + [True]


def test_a_run_and_its_project_are_made_by_name(make_run: Any, ask: Any) -> None:
    made = make_run("abc", config='{"lr": {"value": 0.5}}', tags=["t"])
    assert made["bucket"]["state"] == "running"
    shown = told(ask, "abc", "displayName tags config user { username } project { name entity { name } }")
    assert shown["displayName"] == "run-1"
    assert (shown["tags"], json.loads(shown["config"])) == (["t"], {"lr": {"value": 0.5}})
    assert shown["project"] == {"name": "p", "entity": {"name": "local"}}


def test_an_update_by_id_leaves_the_state(make_run: Any, ask: Any, stream: Any) -> None:
    made = make_run("abc")
    stream("abc", {"complete": True, "exitcode": 0})
    query = """mutation U($id: String!, $s: JSONString, $d: String) {
        upsertBucket(input: {id: $id, summaryMetrics: $s,
            displayName: $d}) { bucket { state displayName } inserted } }"""
    reply = ask(query, id=made["bucket"]["id"], s='{"acc": 1}', d="nice")["upsertBucket"]
    assert reply == {"bucket": {"state": "finished", "displayName": "nice"}, "inserted": False}
    assert json.loads(told(ask, "abc", "summaryMetrics")["summaryMetrics"]) == {"acc": 1}


def test_a_finished_run_that_is_started_again_runs(make_run: Any, stream: Any) -> None:
    make_run("abc")
    stream("abc", {"complete": True, "exitcode": 1})
    again = make_run("abc")
    assert (again["bucket"]["state"], again["inserted"]) == ("running", False)


@pytest.mark.parametrize("name", ["a/b", "..", "a?b", "a#b", " ", "x" * 600, "a\nb", "a%2fb"])
def test_names_that_cannot_stand_in_an_address(ask: Any, name: str) -> None:
    assert "name" in ask(UPSERT, 400, name=name)
    query = "mutation U($p: String) { upsertBucket(input: {modelName: $p}) { inserted } }"
    assert "name" in ask(query, 400, p=name)


def test_unknown_entities_are_refused(ask: Any) -> None:
    query = 'mutation { upsertBucket(input: {name: "a", modelName: "p", entityName: "team"}) { inserted } }'
    assert "no entity 'team'" in ask(query, 404)
    assert ask('{ project(name: "p", entityName: "team") { id } }') == {"project": None}


def test_lines_are_stored_once_however_often_they_are_sent(make_run: Any, stream: Any, ask: Any) -> None:
    make_run("abc")
    for _ in range(3):
        stream("abc", history({"_step": 0, "loss": 2}, {"_step": 1, "loss": 1.5}))
    stream("abc", history({"_step": 1, "loss": 1.5}, {"_step": 2, "loss": 1, "acc": 0.5}, offset=1))
    shown = told(ask, "abc", "historyLineCount historyKeys history(minStep: 0, maxStep: 9)")
    assert shown["historyLineCount"] == 3
    assert [json.loads(row)["loss"] for row in shown["history"]] == [2, 1.5, 1]
    keys = {key: item["typeCounts"][0]["count"] for key, item in shown["historyKeys"]["keys"].items()}
    assert keys == {"_step": 3, "loss": 3, "acc": 1}
    assert shown["historyKeys"]["lastStep"] == 2


def test_summary_events_console_and_the_end(make_run: Any, stream: Any, ask: Any) -> None:
    make_run("abc")
    stream(
        "abc",
        {
            "files": {
                "wandb-summary.json": {"offset": 0, "content": ['{"loss": NaN}']},
                "wandb-events.jsonl": {"offset": 0, "content": ['{"cpu": 1}']},
                "output.log": {
                    "offset": 0,
                    "content": ["2026-01-02T03:04:05.678 one\n", "ERROR 2026-01-02T03:04:06 two"],
                },
                "unknown.file": {"offset": 0, "content": ["x"]},
            },
            "complete": True,
            "exitcode": 7,
        },
    )
    shown = told(
        ask, "abc",
        "state exitcode summaryMetrics systemMetrics events(samples: 5) logLineCount"
        " logLines(first: 1) { edges { node { number timestamp level line } } pageInfo { endCursor hasNextPage } }"
        " tail: logLines(last: 1) { edges { node { line level } } }",
    )  # fmt: skip
    assert (shown["state"], shown["exitcode"], shown["summaryMetrics"]) == ("failed", 7, '{"loss": NaN}')
    assert (shown["systemMetrics"], shown["events"], shown["logLineCount"]) == ('{"cpu": 1}', ['{"cpu": 1}'], 2)
    node = {"number": 0, "timestamp": "2026-01-02T03:04:05.678", "level": None, "line": "one"}
    assert shown["logLines"] == {"edges": [{"node": node}], "pageInfo": {"endCursor": "0", "hasNextPage": True}}
    assert shown["tail"]["edges"] == [{"node": {"line": "two", "level": "error"}}]


def test_sampled_history(make_run: Any, stream: Any, ask: Any) -> None:
    make_run("abc")
    stream(
        "abc",
        history(
            *[
                {"_step": step, "loss": step, "n": {"x": step}} | ({"odd": 1} if step % 2 else {})
                for step in range(100)
            ]
        ),
    )
    spec = [
        json.dumps({"keys": ["_step", "loss"], "samples": 10}),
        json.dumps({"keys": ["odd", "n.x"], "minStep": 10, "maxStep": 13, "samples": 4}),
        json.dumps({"keys": ["odd", "n.x"], "minStep": 10, "maxStep": 13, "samples": 3}),
        "{}",
    ]
    found = told(ask, "abc", "sampledHistory(specs: $specs)", specs=spec)["sampledHistory"]
    sampled, odd, older, nothing = found
    assert [row["_step"] for row in sampled] == [0, 11, 22, 33, 44, 55, 66, 77, 88, 99]
    assert odd == [{"odd": 1, "n.x": 11}, {"odd": 1, "n.x": 13}]
    assert older == odd[:1]  # an older client names the first step of the next page
    assert nothing == []


def test_nan_in_sampled_rows_is_a_string(client: Client, headers: Any, make_run: Any, stream: Any) -> None:
    make_run("abc")
    stream("abc", {"files": {"wandb-history.jsonl": {"offset": 0, "content": ['{"_step": 0, "x": -Infinity}']}}})
    query = RUN % 'sampledHistory(specs: "{\\"keys\\": [\\"x\\"]}")'
    reply = client.post("/graphql", json={"query": query, "variables": {"n": "abc"}}, headers=headers)
    assert reply.json()["data"]["project"]["run"]["sampledHistory"] == [[{"x": "-Infinity"}]]


def test_an_empty_body_is_a_sign_of_life(client: Client, headers: Any, make_run: Any) -> None:
    make_run("abc")
    reply = client.post("/files/local/p/abc/file_stream", content=b"", headers=headers)
    assert reply.json() == {"exitcode": None, "limits": {}, "stopped": False}


def test_gzip(client: Client, headers: Any, make_run: Any, ask: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    make_run("abc")
    packed = {**headers, "Content-Encoding": "gzip"}
    body = gzip.compress(json.dumps(history({"_step": 0})).encode())
    url = "/files/local/p/abc/file_stream"
    assert client.post(url, content=body, headers=packed).status_code == 200
    assert told(ask, "abc", "historyLineCount") == {"historyLineCount": 1}
    assert client.post(url, content=b"not gzip", headers=packed).status_code == 400
    monkeypatch.setattr("launch.server.app.MAX_STREAM_BODY", 1000)
    monkeypatch.setattr("launch.server.intake.MAX_STREAM_BODY", 1000)
    assert client.post(url, content=gzip.compress(b" " * 100_000), headers=packed).status_code == 413
    assert client.post(url, content=[b" " * 600, b" " * 600], headers=headers).status_code == 413


@pytest.mark.parametrize(
    "payload",
    [
        {"files": []},
        {"files": {"output.log": {"offset": -1, "content": ["a"]}}},
        {"files": {"output.log": {"offset": 0, "content": [1]}}},
        {"files": {"output.log": "text"}},
        {"files": {"output.log": {"offset": "0", "content": ["a"]}}},
    ],
)
def test_payloads_of_another_shape(stream: Any, make_run: Any, payload: Any) -> None:
    make_run("abc")
    stream("abc", payload, status=400)


@pytest.mark.parametrize("name", ["wandb-history.jsonl", "wandb-events.jsonl", "wandb-summary.json"])
@pytest.mark.parametrize("line", ["[1]", "{broken", "5", '{"a": 1}, {"b": 2}'])
def test_lines_that_are_no_objects_are_refused_with_all_that_came_along(
    make_run: Any, stream: Any, ask: Any, name: str, line: str
) -> None:
    make_run("abc")
    files = {"output.log": {"offset": 0, "content": ["a"]}, name: {"offset": 0, "content": [line]}}
    stream("abc", {"files": files}, status=400)
    counts = dict.fromkeys(("historyLineCount", "eventsLineCount", "logLineCount"), 0)
    texts = dict.fromkeys(("summaryMetrics", "systemMetrics"), "{}")
    assert told(ask, "abc", " ".join([*counts, *texts])) == counts | texts


def test_half_a_surrogate_pair_is_told_as_it_came(make_run: Any, stream: Any, ask: Any) -> None:
    make_run("abc")
    row = '{"_step": 0, "\\ud800": 1, "file": "\\udce9.txt"}'
    stream("abc", {"files": {"wandb-history.jsonl": {"offset": 0, "content": [row]}}})
    spec = json.dumps({"keys": ["file"]})
    assert told(ask, "abc", "history", specs=spec) == {"history": [row]}
    assert told(ask, "abc", "sampledHistory(specs: $specs)", specs=spec)["sampledHistory"] == [
        [{"file": "\udce9.txt"}]
    ]
    assert set(told(ask, "abc", "historyKeys", specs=spec)["historyKeys"]["keys"]) == {"_step", "?", "file"}


@pytest.mark.parametrize("spec", [{"keys": 5}, {"keys": ["a"], "minStep": "b"}, {"keys": ["a"], "samples": [1]}])
def test_a_history_spec_of_another_shape(make_run: Any, ask: Any, spec: Any) -> None:
    make_run("abc")
    query = RUN % "sampledHistory(specs: $specs)"
    assert "a history spec: " in ask(query, 400, n="abc", specs=json.dumps(spec))


@pytest.mark.parametrize(
    ("end", "state"), [({}, "finished"), ({"exitcode": None}, "finished"), ({"exitcode": 3}, "failed")]
)
def test_a_run_that_names_no_exit_code_ended_well(
    make_run: Any, stream: Any, ask: Any, end: Any, state: str
) -> None:
    make_run("abc")
    stream("abc", {"complete": True, **end})
    assert told(ask, "abc", "state") == {"state": state}


@pytest.mark.parametrize("code", ["0", 1.5, True, 2**70])
def test_exit_codes_of_another_kind(make_run: Any, stream: Any, ask: Any, code: object) -> None:
    make_run("abc")
    stream("abc", {"complete": True, "exitcode": code}, status=400)
    assert told(ask, "abc", "state") == {"state": "running"}


def test_streams_of_unknown_runs_are_404(stream: Any) -> None:
    stream("gone", {}, status=404)


def test_resume_status(ask: Any, make_run: Any, stream: Any) -> None:
    query = """query Q($n: String!) { model(name: "p") { bucket(name: $n, missingOk: true) {
        historyLineCount historyTail eventsTail wandbConfig(keys: ["t"]) } } }"""
    make_run("abc", config='{"_wandb": {"value": {"t": {"1": 2}, "m": []}}}')
    stream("abc", history({"_step": 0}, {"_step": 1}))
    bucket = ask(query, n="abc")["model"]["bucket"]
    assert (json.loads(bucket["historyTail"]), json.loads(bucket["eventsTail"])) == (['{"_step": 1}'], [])
    assert json.loads(bucket["wandbConfig"]) == {"t": {"1": 2}}
    assert ask(query, n="gone")["model"]["bucket"] is None


LIST = """query L($f: JSONString, $o: String, $c: String, $n: Int) { project(name: "p") {
    runCount(filters: $f) runs(filters: $f, order: $o, after: $c, first: $n) {
    edges { node { name } cursor } pageInfo { endCursor hasNextPage } } } }"""


def test_lists_by_filter_order_and_page(ask: Any, make_run: Any) -> None:
    for index in range(7):
        make_run(f"r{index}", config=json.dumps({"x": {"value": index % 3}}), summary=json.dumps({"loss": -index}))

    def names(**variables: Any) -> list[str]:
        found, cursor, more = [], None, True
        while more:
            page = ask(LIST, c=cursor, n=2, **variables)["project"]["runs"]
            found += [edge["node"]["name"] for edge in page["edges"]]
            cursor, more = page["pageInfo"]["endCursor"], page["pageInfo"]["hasNextPage"]
        return found

    assert names() == [f"r{index}" for index in range(7)]
    assert names(o="-created_at") == [f"r{index}" for index in reversed(range(7))]
    assert names(o="+summary_metrics.loss") == [f"r{index}" for index in reversed(range(7))]
    assert names(f='{"config.x": 1.0}') == ["r1", "r4"]
    assert names(f='{"config.x.value": {"$gte": 1}}', o="-config.x.value") == ["r2", "r5", "r1", "r4"]
    assert ask(LIST, f='{"config.x": 0}')["project"]["runCount"] == 3


@pytest.mark.parametrize("cursor", ["abc", "1_0", " 1", "+1", "-1", "１", "1.0", "9" * 400, "9" * 5000])
def test_a_cursor_that_this_server_did_not_give_is_refused(ask: Any, make_run: Any, cursor: str) -> None:
    make_run("abc")
    assert "not a cursor" in ask(LIST, 400, c=cursor)


def test_a_console_has_no_negative_number_of_lines(ask: Any, make_run: Any) -> None:
    make_run("abc")
    query = (
        'query Q($n: Int) { project(name: "p") { run(name: "abc") { logLines(last: $n) { edges { cursor } } } } }'
    )
    assert "must not be negative" in ask(query, 400, n=-1)
    assert ask(query, n=0)["project"]["run"]["logLines"] == {"edges": []}


def test_a_silent_run_without_a_sweep_crashes_and_recovers(
    services: Services, make_run: Any, stream: Any, ask: Any
) -> None:
    make_run("abc")
    with services.store.write() as tables:
        assert lifecycle.expire(tables, time.time() + 61, services.options) == 1
    assert told(ask, "abc", "state") == {"state": "crashed"}
    stream("abc")
    assert told(ask, "abc", "state") == {"state": "running"}
    with services.store.write() as tables:
        assert lifecycle.expire(tables, time.time() + 30, services.options) == 0


def test_stop_and_delete(ask: Any, make_run: Any, stream: Any) -> None:
    key = make_run("abc")["bucket"]["id"]
    ask("mutation S($id: ID!) { stopRun(input: {id: $id}) { success } }", id=key)
    assert stream("abc")["stopped"] is True
    delete = "mutation D($id: ID!) { deleteRun(input: {id: $id}) { success } }"
    for _ in range(2):  # what is gone already is no error
        assert ask(delete, id=key) == {"deleteRun": {"success": True}}
        assert told(ask, "abc", "state") is None
    assert "no run" in ask(delete, 404, id="nonsense")


def test_update_state(ask: Any, make_run: Any) -> None:
    key = make_run("abc")["bucket"]["id"]
    query = "mutation S($id: ID!, $s: String) { updateRunState(input: {id: $id, state: $s}) { success } }"
    ask(query, id=key, s="failed")
    assert told(ask, "abc", "state") == {"state": "failed"}
    ask(query, id=key, s="pending")
    assert "cannot be set" in ask(query, 409, id=key, s="finished")


def test_a_full_disk_stores_nothing_and_is_told(services: Services, make_run: Any, stream: Any, ask: Any) -> None:
    make_run("abc")
    with services.store.write() as tables:
        tables.runs._db.execute(
            f"PRAGMA max_page_count = {tables.runs._db.execute('PRAGMA page_count').fetchone()[0]}"
        )
    rows = [{"_step": step, "text": "x" * 1000} for step in range(200)]
    reply = stream("abc", history(*rows), status=507)
    assert "no space left" in reply["error"]
    with services.store.write() as tables:
        tables.runs._db.execute("PRAGMA max_page_count = 1000000")
    assert told(ask, "abc", "historyLineCount") == {"historyLineCount": 0}
    stream("abc", history(*rows))
    assert told(ask, "abc", "historyLineCount") == {"historyLineCount": 200}


def test_bounds_are_named_numbers() -> None:
    names = [name for name in vars(limits) if name.startswith("MAX_")]
    assert all(isinstance(getattr(limits, name), int) for name in names)


def test_several_processes_write_to_one_run(make_run: Any, client: Client, headers: Any, ask: Any) -> None:
    make_run("abc")

    def send(writer: str, offset: int, *rows: Any, **more: Any) -> None:
        payload = history(*rows, offset=offset)
        payload["files"] |= {name: {"offset": 0, "content": [json.dumps(value)]} for name, value in more.items()}
        reply = client.post(
            "/files/local/p/abc/file_stream", json=payload, headers={**headers, "X-WANDB-ASYNC-CLIENT-ID": writer}
        )
        assert reply.status_code == 200, reply.text

    send("one", 0, {"a": 1, "_step": 0}, {"a": 2, "_step": 1}, **{"wandb-summary.json": {"a": 2}})
    send("two", 0, {"b": 1}, **{"wandb-summary.json": {"b": 1}})
    send("one", 1, {"a": 2, "_step": 1}, {"a": 3, "_step": 2})
    shown = told(ask, "abc", "history(minStep: 0, maxStep: 99) summaryMetrics")
    assert [json.loads(row) for row in shown["history"]] == [
        {"a": 1, "_step": 0}, {"a": 2, "_step": 1}, {"b": 1, "_step": 2}, {"a": 3, "_step": 3},
    ]  # fmt: skip
    assert json.loads(shown["summaryMetrics"]) == {"a": 2, "b": 1}


def test_a_mutation_tells_a_run_as_a_query_does(ask: Any, make_run: Any, stream: Any) -> None:
    make_run("r")
    stream("r", {"files": {"wandb-history.jsonl": {"offset": 0, "content": ['{"_step": 0, "loss": 1}']}}})
    fields = "historyKeys config summaryMetrics tags historyLineCount user { name } parquetHistory { liveData }"
    change = 'upsertBucket(input: {name: "r", modelName: "p", notes: "n"})'
    changed = ask(f"mutation {{ {change} {{ bucket {{ {fields} }} }} }}")["upsertBucket"]["bucket"]
    assert changed == ask(f'{{ project(name: "p") {{ run(name: "r") {{ {fields} }} }} }}')["project"]["run"]
    assert changed["historyKeys"]["keys"]["loss"]["typeCounts"] == [{"type": "number", "count": 1}]
