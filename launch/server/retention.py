"""What a lab does not keep for ever: runs, or their rows, that a policy names and nothing that stays refers to.

A policy is a TOML file of rules; each names projects, an age, tags and states, and what goes: whole runs with
their files and the versions they made, or only their rows. First all of it is chosen (`chosen`), which changes
nothing; then it goes, a run a transaction (`apply`), and each is looked at once more in it. A run stays whole if
it is alive or may go on, if its sweep is not finished, or if a version it made has an alias of its own, is linked
elsewhere or used by a run that stays. This module knows no HTTP.
"""

import json
import re
import sqlite3
import time
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from framework.errors import ConfigError, Problem
from launch.server.ageing import Ageing
from launch.server.blobs import Blobs
from launch.server.storage import BLOBS, Store, Tables, sweeps
from launch.server.storage.runs import CRASHED, FAILED, FINISHED, KILLED

RUNS, ROWS = "runs", "rows"
OVER = (FINISHED, FAILED, CRASHED, KILLED)
UNITS = {"d": 86_400.0, "h": 3_600.0, "w": 7 * 86_400.0, "y": 365 * 86_400.0}
FIELDS: Mapping[str, tuple[type, str]] = {
    "name": (str, "a text"),
    "projects": (list, 'a list of texts such as "ana/*" or "*/scratch"'),
    "older_than": (str, 'a text such as "90d", "2w" or "1y"'),
    "tags": (list, "a list of texts"),
    "keep_tags": (list, "a list of texts"),
    "states": (list, f"a list of some of {', '.join(OVER)}"),
    "delete": (str, f"{RUNS} or {ROWS}"),
}


@dataclass(frozen=True)
class Rule:
    """One rule: runs of some projects (`ENTITY/PROJECT`, with * and ?) that gave no sign of life for so long.

    `tags`: they have one of these; `keep_tags`: none of these; `states`: how they ended. All of it goes (`runs`),
    or their history, system metrics and console alone (`rows`).
    """

    name: str
    projects: Sequence[str]
    seconds: float
    tags: frozenset[str] = frozenset()
    keep_tags: frozenset[str] = frozenset()
    states: frozenset[str] = frozenset(OVER)
    delete: str = RUNS


@dataclass
class Choice:
    """What goes by one rule, and why other runs that it names stay: how many, by reason."""

    rule: Rule
    runs: list[int] = field(default_factory=list)
    stay: Counter[str] = field(default_factory=Counter)
    bytes: int = 0
    versions: int = 0


def read_policy(path: Path) -> list[Rule]:
    """The rules of a file.

    Raises:
        ConfigError: the file cannot be read, or rules are not as they have to be; all problems together.
    """
    try:
        told = tomllib.loads(path.read_text())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError([Problem(str(path), f"cannot be read: {error}")]) from error
    problems = [Problem(key, "is not known; a policy has [[rule]] tables") for key in told if key != "rule"]
    tables = told.get("rule")
    if not isinstance(tables, list) or not tables or not all(isinstance(table, dict) for table in tables):
        raise ConfigError([*problems, Problem("rule", "a policy needs at least one [[rule]]")], where=str(path))
    rules = [_rule(index, table, problems) for index, table in enumerate(tables)]
    if problems:
        raise ConfigError(problems, where=str(path))
    return [rule for rule in rules if rule is not None]


def _rule(index: int, table: Mapping[str, Any], problems: list[Problem]) -> Rule | None:
    where, before = f"rule {index + 1}", len(problems)

    def wrong(key: str, value: object) -> None:
        problems.append(Problem(f"{where}: {key}", f"must be {FIELDS[key][1]}, not {value!r}"))

    good: dict[str, Any] = {}
    for key, value in table.items():
        others = isinstance(value, list) and not all(isinstance(item, str) for item in value)
        if key not in FIELDS:
            problems.append(Problem(f"{where}: {key}", f"is not known; a rule has {', '.join(FIELDS)}"))
        elif others or not isinstance(value, FIELDS[key][0]):
            wrong(key, value)
        else:
            good[key] = value
    for key in ("projects", "older_than"):
        if not table.get(key):
            problems.append(Problem(f"{where}: {key}", f"must be said: {FIELDS[key][1]}"))
    seconds = _seconds(good.get("older_than", "1d"))
    if seconds is None and good["older_than"]:
        wrong("older_than", good["older_than"])
    states = frozenset(good.get("states", OVER))
    if not states or states - set(OVER):
        wrong("states", good["states"])
    if good.get("delete", RUNS) not in (RUNS, ROWS):
        wrong("delete", good["delete"])
    if len(problems) > before:
        return None
    tags, keep = frozenset(good.get("tags", ())), frozenset(good.get("keep_tags", ()))
    name = good.get("name", where)
    return Rule(name, tuple(good["projects"]), seconds or 0.0, tags, keep, states, good.get("delete", RUNS))


def _seconds(text: str) -> float | None:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([hdwy])", text.strip())
    return None if match is None or float(match[1]) <= 0 else float(match[1]) * UNITS[match[2]]


def chosen(tables: Tables, rules: Sequence[Rule], now: float) -> list[Choice]:
    """What goes by each rule. A run goes whole by the first rule that says so; else its rows, by the first one."""
    choices = [Choice(rule) for rule in rules]
    going: dict[int, Choice] = {}
    for choice in sorted(choices, key=lambda choice: choice.rule.delete != RUNS):
        for run in _named(tables, choice.rule, now):
            if run["id"] in going:
                continue
            if (reason := _stays(run)) is not None:
                choice.stay[reason] += 1
            elif choice.rule.delete == RUNS or run["row_bytes"]:
                going[run["id"]] = choice
    whole = {run_id for run_id, choice in going.items() if choice.rule.delete == RUNS}
    for run_id, reason in tables.retained.held(whole, whole).items():
        going.pop(run_id).stay[reason] += 1
    for run_id, choice in going.items():
        amount = tables.retained.amount(run_id)
        choice.runs.append(run_id)
        choice.bytes += amount.rows
        if choice.rule.delete == RUNS:
            choice.bytes += amount.bytes
            choice.versions += amount.versions
    return choices


def apply(store: Store[Tables], choices: Sequence[Choice], now: float) -> list[int]:
    """Let go what was chosen; the runs of which something did go.

    Each is looked at once more: one that went on, or that somebody referred to meanwhile, stays. Those that others
    used come after these, so whoever stopped this in the middle finds nothing that refers to what is gone; those
    that used one another go together.
    """
    left = {run_id: choice.rule for choice in choices for run_id in choice.runs}
    done: list[int] = []
    before = -1
    while len(done) > before:
        before = len(done)
        for run_id in sorted(left, reverse=True):
            if _let_go(store, {run_id: left[run_id]}, now):
                del left[run_id]
                done.append(run_id)
    together = _let_go(store, left, now)
    return [*done, *together]


def _let_go(store: Store[Tables], runs: Mapping[int, Rule], now: float) -> list[int]:
    """Let runs, or their rows, go, in one transaction; those that did.

    Before that their lines age, so that it is short. Whoever stops this in between leaves runs that are whole.
    """
    ageing = Ageing(store, Blobs(store.path.parent / BLOBS, tidy=False), time.time, None)
    with store.read() as tables:
        going = _going(tables, runs, now)
    for run_id in going:
        ageing.empty(run_id)
    with store.write() as tables:
        going = _going(tables, runs, now)
        for run_id in sorted(going):
            if runs[run_id].delete == ROWS:
                tables.lines.clear(run_id)
                tables.usage.clear_rows(run_id)
                continue
            for version in tables.retained.versions(run_id):
                tables.artifacts.delete(version)
            tables.runs.delete(run_id)
    return sorted(going)


def _going(tables: Tables, runs: Mapping[int, Rule], now: float) -> set[int]:
    """Those of some runs that go, when it is looked at now."""
    going = {run_id for run_id, rule in runs.items() if _goes(tables, rule, run_id, now)}
    whole = {run_id for run_id in going if runs[run_id].delete == RUNS}
    return going - tables.retained.held(whole, whole).keys()


def _goes(tables: Tables, rule: Rule, run_id: int, now: float) -> bool:
    named = next(_named(tables, rule, now, run_id), None)
    return named is not None and _stays(named) is None


def _named(tables: Tables, rule: Rule, now: float, run_id: int | None = None) -> Iterator[sqlite3.Row]:
    """The runs, or the one, that a rule names."""
    for run in tables.retained.silent_since(now - rule.seconds, run_id):
        tags = set(json.loads(run["tags"]))
        if (
            any(fnmatchcase(run["project"], pattern) for pattern in rule.projects)
            and (not rule.tags or rule.tags & tags)
            and not rule.keep_tags & tags
            and (run["state"] not in OVER or run["state"] in rule.states)
        ):
            yield run


def _stays(run: sqlite3.Row) -> str | None:
    """Why a run stays, whatever it made; None if it may go."""
    if run["state"] not in OVER:
        return f"it is {run['state']}"
    if run["sweep_state"] not in (None, sweeps.FINISHED, sweeps.CANCELED):
        return "its sweep is not finished"
    return None
