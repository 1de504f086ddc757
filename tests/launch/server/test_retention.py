"""What a policy names goes, what somebody refers to stays, and to look changes nothing."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from framework.errors import ConfigError
from launch.server import ageing, retention, upkeep
from launch.server.errors import DiskFull
from launch.server.request import Services
from launch.server.storage import Tables, lines
from launch.server.wire import gid_hex

DAY = 86_400.0
NOW = time.time()
WHOLE = '[[rule]]\nprojects = ["*"]\nolder_than = "30d"\n'


def policy(tmp_path: Path, text: str) -> list[retention.Rule]:
    (tmp_path / "policy.toml").write_text(text)
    return retention.read_policy(tmp_path / "policy.toml")


def add(tables: Tables, name: str, days: float, project: str = "p", **columns: Any) -> int:
    row, _ = tables.projects.make(project, 1)
    values = {"display_name": name, "state": "finished", "heartbeat_at": NOW - days * DAY, **columns}
    key = tables.runs.add(row["id"], name, **values)
    texts = [json.dumps({"_step": n}) for n in range(5)]
    tables.usage.add_rows(key, tables.lines.put(key, lines.HISTORY, 0, texts))
    return key


def version(tables: Tables, maker: int, *users: int, name: str = "a") -> int:
    """A committed version that a run made and others used."""
    run = tables.runs.by_id(maker)
    assert run is not None
    collection = tables.collections.make(run["project_id"], "model", f"{name}{maker}")
    assert collection is not None
    db = tables.runs._db
    key = db.execute(
        "INSERT INTO artifacts (collection_id, state, version_index, digest, run_id, kept, created_at, updated_at)"
        " VALUES (?, 'COMMITTED', 0, 'd', ?, 1000, 0, 0)",
        (collection["id"], maker),
    ).lastrowid
    tables.artifacts.link(maker, int(key or 0), "made")
    for user in users:
        tables.artifacts.link(user, int(key or 0), "used")
    return int(key or 0)


def names(tables: Tables) -> set[str]:
    return {row["name"] for row in tables.runs._db.execute("SELECT name FROM runs")}


def test_old_runs_go_with_their_versions_and_young_ones_stay(services: Services, tmp_path: Path) -> None:
    rules = policy(tmp_path, WHOLE)
    with services.store.write() as tables:
        old, _ = add(tables, "old", 31), add(tables, "young", 29)
        version(tables, old)
    with services.store.read() as tables:
        choices = retention.chosen(tables, rules, NOW)
        assert names(tables) == {"old", "young"}
    [choice] = choices
    assert (choice.runs, choice.versions, choice.stay) == ([old], 1, {})
    assert choice.bytes > 1000
    assert retention.apply(services.store, choices, NOW) == [old]
    with services.store.read() as tables:
        assert names(tables) == {"young"}
        assert tables.runs._db.execute("SELECT state FROM artifacts").fetchone()[0] == "DELETED"
        assert tables.runs.was_deleted(1, "old")
    assert upkeep.verify(services.store.path.parent).problems == []


def test_tags_projects_and_states_choose(services: Services, tmp_path: Path) -> None:
    rules = policy(
        tmp_path,
        '[[rule]]\nname = "trials"\nprojects = ["local/scratch-?"]\nolder_than = "1w"\ntags = ["trial"]\n'
        'keep_tags = ["paper"]\nstates = ["failed", "crashed"]\n',
    )
    with services.store.write() as tables:
        chosen = add(tables, "yes", 9, "scratch-1", tags='["trial"]', state="failed")
        add(tables, "other project", 9, "scratch", tags='["trial"]', state="failed")
        add(tables, "no tag", 9, "scratch-1", state="failed")
        add(tables, "kept tag", 9, "scratch-1", tags='["trial", "paper"]', state="failed")
        add(tables, "finished", 9, "scratch-1", tags='["trial"]')
        [choice] = retention.chosen(tables, rules, NOW)
    assert choice.runs == [chosen]


def test_what_is_alive_or_referred_to_stays_with_a_reason(services: Services, tmp_path: Path) -> None:
    rules = policy(tmp_path, WHOLE)
    with services.store.write() as tables:
        add(tables, "running", 99, state="running")
        add(tables, "preempted", 99, state="preempted")
        young = add(tables, "young", 1)
        used = add(tables, "used", 99)
        version(tables, used, young)
        chain = add(tables, "chain", 99)  # used by one that stays itself because it is used
        version(tables, chain, used)
        named = add(tables, "named", 99)
        key = version(tables, named)
        tables.runs._db.execute(
            "INSERT INTO aliases (collection_id, alias, artifact_id) VALUES (3, 'best', ?)", (key,)
        )
        both, user = add(tables, "both", 99), add(tables, "user", 99)
        version(tables, both, user)
        sweep = tables.runs._db.execute(
            "INSERT INTO sweeps (project_id, name, config, method, state, size, created_at, updated_at)"
            " VALUES (1, 's', '', 'grid', 'RUNNING', 1, 0, 0)"
        ).lastrowid
        add(tables, "in a sweep", 99, sweep_id=sweep)
        choices = retention.chosen(tables, rules, NOW)
    [choice] = choices
    assert set(choice.runs) == {both, user}
    assert dict(choice.stay) == {
        "it is running": 1,
        "it is preempted": 1,
        "a version that it made is used by a run that stays": 2,
        "a version that it made has an alias of its own": 1,
        "its sweep is not finished": 1,
    }
    assert set(retention.apply(services.store, choices, NOW)) == {both, user}


@pytest.mark.parametrize("by_client", [False, True])
def test_what_a_staying_version_refers_to_stays(services: Services, tmp_path: Path, by_client: bool) -> None:
    """A reference to a file of another version (`add_reference`, a table of another artifact) is no lineage."""
    rules = policy(tmp_path, WHOLE)
    with services.store.write() as tables:
        base, young, chain = add(tables, "base", 99), add(tables, "young", 1), add(tables, "chain", 99)
        key = version(tables, base)
        tables.runs._db.execute("UPDATE artifacts SET client_id = 'abc' WHERE id = ?", (key,))
        place = (
            "wandb-client-artifact://abc:latest/f"
            if by_client
            else f"wandb-artifact://{gid_hex('Artifact', key)}/f"
        )
        for other, ref in ((version(tables, young), place), (version(tables, chain), "https://example.org/f")):
            sql = "INSERT INTO entries (artifact_id, path, size, ref) VALUES (?, 'f', 1, ?)"
            tables.runs._db.execute(sql, (other, ref))
        choices = retention.chosen(tables, rules, NOW)
    assert (choices[0].runs, dict(choices[0].stay)) == (
        [chain], {"a version that it made is used by a run that stays": 1},
    )  # fmt: skip
    assert retention.apply(services.store, choices, NOW) == [chain]


MANY = 330


def long(tables: Tables, name: str) -> int:
    """A run of long ago with more rows than one slice has."""
    key = add(tables, name, 99)
    texts = [json.dumps({"_step": n, "loss": n / 7}) for n in range(5, MANY)]
    tables.usage.add_rows(key, tables.lines.put(key, lines.HISTORY, 5, texts))
    return key


@pytest.mark.parametrize("delete", [retention.RUNS, retention.ROWS])
def test_whenever_it_is_interrupted_nobody_sees_half_a_run(
    services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, delete: str
) -> None:
    monkeypatch.setattr(ageing, "SLICE", 50)
    rules = policy(tmp_path, f'{WHOLE}delete = "{delete}"\n')
    write, moment, ended = services.store.write, 0, False
    with services.store.write() as tables:
        keys = [long(tables, f"old{index}") for index in range(2)]
        whole = [line.text for line in tables.lines.page(keys[0], lines.HISTORY, 0, -1)]
    while not ended:
        moment += 1
        left = [moment]

        def dying(left: list[int] = left) -> Any:
            left[0] -= 1
            if left[0] < 0:
                raise KeyboardInterrupt
            return write()

        monkeypatch.setattr(services.store, "write", dying)
        with services.store.read() as tables:
            choices = retention.chosen(tables, rules, NOW)
        try:
            retention.apply(services.store, choices, NOW)
            ended = True
        except KeyboardInterrupt:
            pass
        monkeypatch.setattr(services.store, "write", write)
        with services.store.read() as tables:
            for key in keys:
                run = tables.runs.by_id(key)
                rows = [json.loads(line.text) for line in tables.lines.page(key, lines.HISTORY, 0, -1)]
                if delete == retention.RUNS:
                    assert rows == ([] if run is None else [json.loads(text) for text in whole])
                else:
                    assert run is not None
                    assert rows == ([json.loads(text) for text in whole] if run["row_bytes"] else [])
    assert moment > 3
    with services.store.read() as tables:
        assert len(names(tables)) == (0 if delete == retention.RUNS else 2)
        assert tables.runs._db.execute("SELECT COUNT(*) FROM lines").fetchone()[0] == 0
    assert upkeep.verify(services.store.path.parent).problems == []


@pytest.mark.parametrize("error", [DiskFull(), ValueError("no file holds these lines")])
def test_what_cannot_age_goes_all_the_same(
    services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """A policy is what one turns to when the disk is full."""
    rules = policy(tmp_path, WHOLE)

    def fails(*given: object) -> None:
        raise error

    monkeypatch.setattr(ageing, "made", fails)
    with services.store.write() as tables:
        old = long(tables, "old")
        choices = retention.chosen(tables, rules, NOW)
    assert retention.apply(services.store, choices, NOW) == [old]


def test_no_transaction_deletes_many_rows(
    services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever writes meanwhile waits for a slice."""
    monkeypatch.setattr(ageing, "SLICE", 50)
    rules = policy(tmp_path, WHOLE)
    with services.store.write() as tables:
        old = long(tables, "old")
        choices = retention.chosen(tables, rules, NOW)
    write, most = services.store.write, 0

    @contextmanager
    def counted() -> Iterator[Tables]:
        nonlocal most
        with write() as tables:
            before = tables.runs._db.execute("SELECT COUNT(*) FROM lines").fetchone()[0]
            yield tables
            most = max(most, before - tables.runs._db.execute("SELECT COUNT(*) FROM lines").fetchone()[0])

    monkeypatch.setattr(services.store, "write", counted)
    assert retention.apply(services.store, choices, NOW) == [old]
    assert 0 < most <= 50


def test_runs_that_used_one_another_go_together(services: Services, tmp_path: Path) -> None:
    rules = policy(tmp_path, WHOLE)
    with services.store.write() as tables:
        one, two = add(tables, "one", 99), add(tables, "two", 99)
        version(tables, one, two)
        version(tables, two, one)
        choices = retention.chosen(tables, rules, NOW)
    assert choices[0].runs == [one, two]
    assert retention.apply(services.store, choices, NOW) == [one, two]
    with services.store.read() as tables:
        assert names(tables) == set()


def test_a_version_that_two_runs_made_stays_with_the_other(services: Services, tmp_path: Path) -> None:
    rules = policy(tmp_path, WHOLE)
    with services.store.write() as tables:
        old, young = add(tables, "old", 99), add(tables, "young", 1)
        tables.artifacts.link(young, version(tables, old), "made")
        choices = retention.chosen(tables, rules, NOW)
    assert retention.apply(services.store, choices, NOW) == [old]
    with services.store.read() as tables:
        assert tables.runs._db.execute("SELECT state FROM artifacts").fetchone()[0] == "COMMITTED"


def test_rows_go_and_the_run_stays(services: Services, tmp_path: Path) -> None:
    rules = policy(tmp_path, WHOLE + 'delete = "rows"\n')
    with services.store.write() as tables:
        old = add(tables, "old", 99, summary='{"loss": 1}')
        version(tables, old, add(tables, "young", 1))
        choices = retention.chosen(tables, rules, NOW)
    assert retention.apply(services.store, choices, NOW) == [old]
    with services.store.read() as tables:
        run = tables.runs.by_id(old)
        assert run is not None
        assert (tables.lines.count(old, lines.HISTORY), run["summary"], run["row_bytes"]) == (0, '{"loss": 1}', 0)
        [again] = retention.chosen(tables, rules, NOW)
        assert again.runs == []


def test_whoever_is_referred_to_meanwhile_stays(services: Services, tmp_path: Path) -> None:
    rules = policy(tmp_path, WHOLE)
    with services.store.write() as tables:
        old, gone_on = add(tables, "old", 99), add(tables, "gone on", 99)
        key = version(tables, old)
        choices = retention.chosen(tables, rules, NOW)
        tables.artifacts.link(add(tables, "new", 0), key, "used")
        tables.runs.beat(gone_on, NOW)
    assert retention.apply(services.store, choices, NOW) == []


def test_all_that_is_wrong_with_a_policy_is_told_together(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as told:
        policy(
            tmp_path,
            '[[rule]]\nproject = ["a"]\nolder_than = "soon"\nprojects = ["*"]\n'
            '[[rule]]\nprojects = "a"\nolder_than = "3d"\n'
            '[[rule]]\nprojects = ["*"]\nolder_than = "3d"\ndelete = "all"\nstates = ["gone"]\n'
            '[[rule]]\nolder_than = "0d"\n',
        )
    text = str(told.value)
    for part in (
        "rule 1: project:",
        "rule 1: older_than",
        "rule 2: projects",
        "rule 3: delete",
        "rule 3: states",
        "rule 4: projects",
    ):
        assert part in text


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "at least one"),
        ("a = [", "cannot be read"),
        ("[rule]\n", "at least one"),
        ("rule = [1]\n", "at least one"),
    ],
)
def test_a_file_that_is_no_policy_is_refused(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        policy(tmp_path, text)
