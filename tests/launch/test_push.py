"""The parts of a push that need no server: keys, names, what is chosen, batches, sweeps, children."""

import hashlib
import json
from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from framework.errors import ArtifactError, ConfigError, TrackerAway, TrackerError, TrackerRefused
from framework.tracking.tracker import Tracker
from launch.cli import app
from launch.push import project as push
from launch.push import replay, send
from launch.push.definitions import definitions
from launch.push.ends import End, RunLine, SweepLine, must_exist, place_sweeps, settle_sweeps
from launch.push.replay_artifacts import check
from launch.push.send import Writers, batches, environment
from launch.server.resolvers.history import thinned

URL = "https://wandb.example"


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No key in the environment, and an empty netrc file."""
    monkeypatch.delenv(push.KEY, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    (tmp_path / "netrc").touch(mode=0o600)
    return tmp_path / "netrc"


def test_the_key_comes_from_the_environment_before_a_login(nobody: Path, monkeypatch: pytest.MonkeyPatch):
    nobody.write_text("machine wandb.example login user password stored\n")
    assert push.destination(URL + "/") == Tracker(URL, "stored")
    monkeypatch.setenv(push.KEY, "given")
    assert push.destination(URL) == Tracker(URL, "given")
    assert push.destination("https://wandb.ai").url == "https://api.wandb.ai"


def test_without_a_key_or_an_address_the_message_says_what_to_do():
    with pytest.raises(TrackerRefused, match=r"set SASHIKO_PUSH_KEY, or run `wandb login --host https://wandb.ex"):
        push.destination(URL)
    with pytest.raises(ConfigError, match=r"must start with https:// or http://, not 'wandb.example'"):
        push.destination("wandb.example")


def test_the_command_ends_with_the_code_of_the_error(monkeypatch: pytest.MonkeyPatch):
    assert isinstance(CliRunner().invoke(app, ["push", "p", "--to", URL]).exception, TrackerRefused)
    assert CliRunner().invoke(app, ["push", "p"]).exit_code == 2


@dataclass(frozen=True)
class Known(Tracker):
    """A tracker whose key belongs to an entity, or that is away."""

    entity: str = ""

    def check(self) -> str:
        if self.entity == "refused":
            raise TrackerRefused("WANDB_API_KEY is wrong")
        if not self.entity:
            raise TrackerAway(f"{self.url} does not answer")
        return self.entity


def test_names_of_both_ends():
    here, there = Known("http://here", "k", entity="north"), Known("http://there", "k", entity="south")
    assert [(end.entity, end.project) for end in push.ends(here, there, "p", "")] == [
        ("north", "p"),
        ("south", "p"),
    ]
    told = push.ends(here, there, "lab/p", "team/q")
    assert [(end.entity, end.project) for end in told] == [("lab", "p"), ("team", "q")]
    assert push.ends(here, there, "lab/p", "")[1].entity == "south"
    with pytest.raises(ConfigError, match=r"PROJECT: is 'a/b/c'.*\n.*--as: is 'x/'"):
        push.ends(here, there, "a/b/c", "x/")
    with pytest.raises(ConfigError, match="is the project itself"):
        push.ends(here, here, "p", "")
    assert push.ends(here, here, "p", "q")[1].project == "q"


def test_both_trackers_are_complained_of_at_once():
    with pytest.raises(TrackerError, match="http://a does not answer; http://b does not answer"):
        push.ends(Known("http://a", "k"), Known("http://b", "k"), "p", "")
    with pytest.raises(TrackerAway, match=r"^http://b does not answer$"):
        push.ends(Known("http://a", "k", entity="e"), Known("http://b", "k"), "p", "")


def test_a_wrong_key_is_named_by_where_it_came_from():
    good, bad = Known("http://a", "k", entity="e"), Known("http://b", "k", entity="refused")
    with pytest.raises(TrackerRefused, match=r"^http://b refused the key: that of SASHIKO_PUSH_KEY, or"):
        push.ends(good, bad, "p", "")
    with pytest.raises(TrackerRefused, match="WANDB_API_KEY is wrong"):
        push.ends(bad, good, "p", "")


def line(run_id: str, state: str = "finished", sweep: str | None = None, rows: int = 3) -> RunLine:
    return RunLine(run_id, f"name of {run_id}", state, sweep, rows)


def test_a_run_is_there_when_state_and_rows_are():
    runs = [line("a"), line("b"), line("c", "crashed"), line("d", "killed"), line("e")]
    there = {"a": line("a"), "b": line("b", rows=2), "c": line("c", "failed"), "d": line("d", "crashed")}
    assert [run.id for run in runs if push._is_there(run, there)] == ["a", "c"]


def test_runs_under_way_are_told_and_left(capsys: pytest.CaptureFixture[str]):
    runs = [line("a"), line("b", "running"), line("c", "pending")]
    assert [run.id for run in push._over(runs, push.Wish())] == ["a"]
    assert capsys.readouterr().out.count("skipped name of") == 2
    assert [run.id for run in push._over(runs, push.Wish(running=True))] == ["a", "b"]
    assert "name of c: it is pending" in capsys.readouterr().out


def test_only_what_exists_is_chosen():
    runs = [line("a", sweep="s1"), line("b"), line("c", sweep="s1")]
    assert [run.id for run in push._chosen(runs, push.Wish(sweep="s1"))] == ["a", "c"]
    assert [run.id for run in push._chosen(runs, push.Wish(only=["b", "c"]))] == ["b", "c"]
    with pytest.raises(ConfigError, match=r"(?s)no run 'x'.*no run 'y'.*no run is of 's2'"):
        push._chosen(runs, push.Wish(only=["x", "y"], sweep="s2"))
    with pytest.raises(TrackerError, match="http://here has no project e/p"):
        must_exist(End(Tracker("http://here", "k"), "e", "p"), None)


def test_a_batch_is_small_and_has_no_collection_twice():
    answers = [{"bytes": 1, "collections": ["set"]}, {"bytes": 1}, {"bytes": 1, "collections": ["set"]}]
    assert [len(batch) for batch in batches(answers)] == [2, 1]
    assert [len(batch) for batch in batches([{"bytes": 1}] * 20)] == [8, 8, 4]
    assert [len(batch) for batch in batches([{"bytes": send.BATCH_BYTES}] * 3)] == [1, 1, 1]
    assert [len(batch) for batch in batches([{"error": "x"}, {"bytes": 1}])] == [2]


@dataclass(frozen=True)
class Paper(End):
    """A project on paper."""

    listed: list[SweepLine] = field(default_factory=list)

    def sweeps(self) -> list[SweepLine]:
        return self.listed

    def make_sweep(self, config: str) -> str:
        self.listed.append(SweepLine(f"key{len(self.listed)}", f"new{len(self.listed)}", "PAUSED", config, 0))
        return self.listed[-1].id

    def set_sweep_state(self, key: str, state: str) -> None:
        index = [sweep.key for sweep in self.listed].index(key)
        old = self.listed[index]
        self.listed[index] = SweepLine(key, old.id, state, old.config, old.runs)


def paper(*sweeps: SweepLine) -> Paper:
    return Paper(Tracker("http://t", "k"), "e", "p", list(sweeps))


def test_sweeps_are_found_again_or_made_and_end_as_at_the_source():
    source = paper(
        SweepLine("1", "met", "FINISHED", "a", 2), SweepLine("2", "empty", "CANCELED", "b", 2),
        SweepLine("3", "fresh", "RUNNING", "b", 2), SweepLine("4", "unwanted", "RUNNING", "c", 2),
    )  # fmt: skip
    target = paper(SweepLine("k1", "met2", "PAUSED", "a", 1), SweepLine("k2", "empty2", "PAUSED", "b", 0))
    chosen = [line("r1", sweep="met"), line("r2", sweep="empty"), line("r3", sweep="fresh"), line("r4")]
    placed, made = place_sweeps(source, target, chosen, {"r1": line("r1", sweep="met2")})
    assert placed == {"met": "met2", "empty": "empty2", "fresh": "new2"}
    assert made == {"empty", "fresh"}
    notes = list(settle_sweeps(source, target, placed, made))
    assert [sweep.state for sweep in target.listed] == ["FINISHED", "CANCELED", "PAUSED"]
    assert notes == ["sweep fresh is not over: there it is new2, paused, lest points are worked twice"]


def test_a_sweep_that_somebody_resumed_at_the_destination_is_left_alone():
    source, target = paper(SweepLine("1", "s", "RUNNING", "a", 2)), paper(SweepLine("k", "t", "RUNNING", "a", 1))
    assert list(settle_sweeps(source, target, {"s": "t"}, set())) == []
    assert target.listed[0].state == "RUNNING"


def test_children_see_one_tracker_and_no_key_of_the_other(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    for name in (push.KEY, "WANDB_API_KEY", "WANDB_RUN_ID", "WANDB_SWEEP_ID", "WANDB_MODE", "WANDB_ENTITY"):
        monkeypatch.setenv(name, "secret")
    given = environment(Tracker(URL, "k"), tmp_path)
    assert "secret" not in given.values()
    assert (given["WANDB_BASE_URL"], given["WANDB_API_KEY"]) == (URL, "k")
    assert given["WANDB_CACHE_DIR"] == given["WANDB_DIR"] == str(tmp_path)


class Child:
    """Answers with the folder it was given, and dies of the order `die`."""

    started = 0
    ahead = 0

    def __init__(self, variables: Mapping[str, str]) -> None:
        type(self).started += 1

    def ask(self, order: Mapping[str, Any]) -> dict[str, Any] | None:
        type(self).ahead += 1
        return None if order["id"] == "die" else {"rows": len(json.dumps(order))}

    def code(self) -> int:
        return -9

    def stop(self) -> None: ...

    def end(self) -> None: ...


def test_answers_keep_their_order_and_a_death_is_one_runs_affair(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(send, "_Child", Child)
    orders = [{"id": name} for name in ["a", "die", "b", *(str(number) for number in range(30))]]
    with Writers(Tracker(URL, "k"), tmp_path, 2) as writers:
        found = writers.write(iter(orders))
        first = next(found)
        assert Child.ahead <= send.BATCH_RUNS
        answers = [first, *found]
    assert [answer["id"] for answer in answers] == [order["id"] for order in orders]
    assert [answer["id"] for answer in answers if "error" in answer] == ["die"]
    assert answers[1]["error"] == "the process that wrote it ended (-9)"
    assert 2 <= Child.started <= 3
    assert len({answer["folder"] for answer in answers}) == len(orders)


def test_what_define_metric_said_is_read_back():
    own = {"m": [
        {"1": "epoch", "6": [3, 2], "7": []}, {"1": "low", "5": 1, "6": [1, 3], "7": [1, 2, 3, 5, 8]},
        {"2": "val/*", "5": 4, "6": [], "7": [6, 99]}, {"1": "other", "6": []},
    ]}  # fmt: skip
    assert list(definitions(own)) == [
        {"name": "epoch", "step_metric": None, "step_sync": False, "hidden": True, "summary": None},
        {"name": "low", "step_metric": "epoch", "step_sync": True, "hidden": False,
         "summary": "min,max,mean,last,first"},
        {"name": "val/*", "step_metric": "other", "step_sync": False, "hidden": False, "summary": "none"},
    ]  # fmt: skip
    assert list(definitions({})) == []


class Written:
    """A run that only has rows, and one that takes them. It counts the pages that are asked for."""

    def __init__(self, *rows: dict[str, Any]) -> None:
        self.rows = rows
        self.taken: list[dict[str, Any]] = []
        self.pages = 0
        self._interface = self
        self.historyLineCount = len(rows)
        self.lastHistoryStep = max((row["_step"] for row in rows), default=-1)

    def history(self, samples: int, keys: list[str], pandas: bool) -> list[dict[str, Any]]:
        return list(thinned([{key: row[key] for key in keys} for row in self.rows], samples))

    def scan_history(
        self, min_step: int, max_step: int, page_size: int, use_cache: bool
    ) -> Iterator[dict[str, Any]]:
        for first in range(min_step, max_step, page_size):
            self.pages += 1
            page = range(first, min(first + page_size, max_step))
            yield from (row for row in self.rows if row["_step"] in page)

    def renamed(self, values: dict[str, Any]) -> dict[str, Any]:
        return values

    def _publish_history(self, record: Any) -> None:
        assert record.step.num == json.loads(next(item.value_json for item in record.item if item.key == "_step"))
        self.taken.append({item.key: item.value_json for item in record.item})


def rows_sent(source: Written, rows_there: int = 0, step_there: int = -1) -> list[dict[str, Any]]:
    order = {"rows_there": rows_there, "step_there": step_there}
    assert replay._write_rows(source, source, source, order) == 3  # type: ignore[arg-type]
    return source.taken


@pytest.mark.parametrize(
    "steps",
    [
        [], [0], [5], list(range(11)), [0, 50_000_000, 10**8, 15 * 10**7, 2 * 10**8],
        [*range(10), 10**12], [0, *range(10**12, 10**12 + 10)], [3] * 11, [0, 0, 7, 7, 7, 7, 7, 9],
    ],
)  # fmt: skip
def test_reading_costs_pages_of_rows_however_far_apart_their_steps_are(
    steps: list[int], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(replay, "PAGE", 3)
    run = Written(*({"_step": step, "n": number} for number, step in enumerate(steps)))
    assert [row["n"] for row in replay.rows(run)] == list(range(len(steps)))
    assert run.pages <= -(-len(steps) // 3)


def test_all_rows_are_written_as_they_are_and_those_that_are_there_must_be_their_first():
    rows = [{"_step": 0, "_runtime": 7.5, "a": 1}, {"_step": 0, "b": float("nan")}, {"_step": 4}, {"_step": 9}]
    first = {"_step": "0", "_runtime": "7.5", "a": "1", "b": "NaN"}
    for there, step in ((0, -1), (2, 4), (3, 9)):
        assert rows_sent(Written(*rows), there, step) == [first, {"_step": "4"}, {"_step": "9"}]
    with pytest.raises(ValueError, match="other rows of it: row 2 is of step 3"):
        rows_sent(Written(*rows), 2, 3)
    with pytest.raises(ValueError, match="has 4 rows of it, and here it has 3"):
        rows_sent(Written(*rows), 4, 11)


def test_a_file_is_held_against_its_digest(tmp_path: Path):
    (tmp_path / "f").write_bytes(b"bytes")
    digest = hashlib.md5(b"bytes").digest()
    for good in (b64encode(digest).decode(), digest.hex(), None, ""):
        check(tmp_path / "f", good)
    with pytest.raises(ArtifactError, match="f did not come whole"):
        check(tmp_path / "f", b64encode(hashlib.md5(b"other").digest()).decode())
