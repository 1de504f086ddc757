"""Runs of any sweep or project against each other: the table by what varies, replicates averaged.

A row for each combination of the factors that were asked for (by default all that vary, but seeds) with, for each
metric, mean, standard deviation and the ends of the interval that holds the mean with 95 % (Student's t with n - 1
degrees of freedom, for replicates that are independent); n is the number of runs with a value.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from framework.errors import ConfigError, Problem
from framework.fields import nearest
from framework.importance import names_a_seed
from framework.report.aggregate import number
from framework.report.conditions import Condition, chosen, mistakes, read
from framework.report.intervals import LEVEL
from framework.tracking.frames import COUNT, RunsFrame, level

STATE, FINISHED = "state", "finished"


@dataclass(frozen=True)
class Wish:
    """What is asked for; what is empty is chosen by what the runs hold.

    `by`: factors to keep apart. `metrics`: what to tell of them. `where`: conditions such as `ridge>0.1`,
    `state=failed`, `name~vgg`. `sort`: a column of the table, from the largest with a `-` before it.
    """

    by: Sequence[str] = ()
    metrics: Sequence[str] = ()
    where: Sequence[str] = ()
    sort: str = ""


@dataclass(frozen=True)
class Comparison:
    """Numbers: the factors `by`, then `<metric>_mean`, `_std`, `_low`, `_high` and `_n` of each metric."""

    table: pd.DataFrame
    by: Sequence[str]
    metrics: Sequence[str]
    runs: int
    notes: Sequence[str] = ()

    def readable(self) -> pd.DataFrame:
        """For eyes: `mean ± std` and the interval of each metric; n once, where it is the same for all."""
        columns: dict[str, Any] = {name: [_word(value) for value in self.table[name]] for name in self.by}
        counts = self.table[[f"{metric}_n" for metric in self.metrics]]
        same = counts.nunique(axis=1).le(1).all()
        if same and self.metrics:
            columns[COUNT] = [str(value) for value in counts.iloc[:, 0]]
        for metric in self.metrics:
            columns[metric] = [_estimate(self.table, row, metric) for row in self.table.index]
            if self.table[f"{metric}_low"].notna().any():
                columns[f"{metric} 95 %"] = [_interval(self.table, row, metric) for row in self.table.index]
            if not same:
                columns[f"{metric} n"] = [str(value) for value in self.table[f"{metric}_n"]]
        return pd.DataFrame(columns)


def compare(
    runs: RunsFrame, wish: Wish, *, seeds: Sequence[str] | None = None, first: str | None = None
) -> Comparison:
    """The comparison of runs. `seeds`: factors that only tell replicates apart, found by name if not given.

    Only finished runs count, unless a condition speaks of the state. `first`: the metric that the runs are about.

    Raises:
        ConfigError: a name that is no column, or a condition that cannot be read; all of them together.
    """
    problems = _problems(runs, wish)
    if problems:
        raise ConfigError(problems, "compare")
    read_ = [read(text, list(runs.frame.columns)) for text in wish.where]
    conditions = [found for found in read_ if isinstance(found, Condition)]
    if wrong := list(mistakes(runs.frame, conditions)):
        raise ConfigError(wrong, "compare")
    frame, notes = _finished(runs.frame, conditions)
    varying = [name for name in runs.fields if frame[name].map(level).nunique() > 1]
    alike = [name for name in varying if names_a_seed(name)] if seeds is None else seeds
    apart = [name for name in varying if name not in alike]
    by = list(wish.by) or apart
    if over := _adding(frame, by, [name for name in apart if name not in by]):
        notes.append(f"averaged over {', '.join(over)}, too: intervals take those runs for replicates")
    metrics = list(wish.metrics) or _numeric(frame, runs.metrics, first)
    table = table_of(frame, by, metrics)
    if wish.sort:
        table = _sorted(table, wish.sort)
    return Comparison(table, by, metrics, len(frame), notes)


def _adding(frame: pd.DataFrame, by: Sequence[str], names: Sequence[str]) -> list[str]:
    """Those of `names` that tell runs of the same `by` apart; not what follows from that, or from another one."""
    kept: list[str] = []
    groups = len(np.unique(_codes(frame, by)))
    for name in names:
        finer = len(np.unique(_codes(frame, [*by, *kept, name])))
        if finer > groups:
            kept.append(name)
            groups = finer
    return kept


def _codes(frame: pd.DataFrame, by: Sequence[str]) -> np.ndarray:
    """For each run the number of its combination of the factors `by`, in the order of their first runs."""
    rows = zip(*(frame[name] for name in by), strict=True) if by else [()] * len(frame)
    numbers: dict[tuple[str, ...], int] = {}
    return np.array([numbers.setdefault(tuple(map(level, row)), len(numbers)) for row in rows], dtype=np.intp)


def table_of(frame: pd.DataFrame, by: Sequence[str], metrics: Sequence[str]) -> pd.DataFrame:
    """A row for each combination of the factors `by` that occurs, in the order of its first run."""
    codes = _codes(frame, by)
    first = np.unique(codes, return_index=True)[1]
    columns: dict[str, Any] = {name: frame[name].iloc[first].tolist() for name in by}
    for metric in metrics:
        values = pd.to_numeric(frame[metric], errors="coerce").to_numpy(dtype=float, na_value=math.nan)
        columns |= {f"{metric}_{name}": column for name, column in estimates(values, codes, len(first)).items()}
    return pd.DataFrame(columns)


def estimates(values: np.ndarray, codes: np.ndarray, groups: int) -> dict[str, np.ndarray]:
    """Mean, std (divisor n - 1), ends of the interval and n of the values (runs,) of each group, by number."""
    from scipy import special  # type: ignore[import-untyped]

    known = ~np.isnan(values)
    values, codes = values[known], codes[known]
    count = np.bincount(codes, minlength=groups)
    with np.errstate(invalid="ignore", divide="ignore"):  # groups without numbers; infinities have no spread
        mean = np.bincount(codes, values, groups) / count
        std = np.sqrt(np.bincount(codes, (values - mean[codes]) ** 2, groups) / (count - 1))
        low, high = np.full(groups, math.inf), np.full(groups, -math.inf)
        np.minimum.at(low, codes, values)
        np.maximum.at(high, codes, values)
        same = low == high  # of equal values the mean is that value, whatever rounding makes of their sum
        mean[same], std[same] = low[same], 0.0
        std[count < 2] = math.nan
        margin = special.stdtrit(count - 1, (1 + LEVEL) / 2) * std / np.sqrt(count)
    return {"mean": mean, "std": std, "low": mean - margin, "high": mean + margin, "n": count}


def _problems(runs: RunsFrame, wish: Wish) -> list[Problem]:
    known = list(runs.frame.columns)
    problems = [Problem(f"--by {name}", f"is no column; {nearest(name, known)}") for name in wish.by
                if name not in known]  # fmt: skip
    for name in wish.metrics:
        if name not in known:
            problems.append(Problem(f"--metric {name}", f"is no column; {nearest(name, list(runs.metrics))}"))
        elif not pd.to_numeric(runs.frame[name], errors="coerce").notna().any():
            problems.append(Problem(f"--metric {name}", "has no number in any run"))
    name = wish.sort.removeprefix("-")
    if name and name not in known and name.rpartition("_")[0] not in known:
        problems.append(Problem(f"--sort {wish.sort}", f"is no column; {nearest(name, known)}"))
    return problems + [found for text in wish.where if isinstance(found := read(text, known), Problem)]


def _finished(frame: pd.DataFrame, conditions: Sequence[Condition]) -> tuple[pd.DataFrame, list[str]]:
    """The runs that meet all conditions; those that are finished alone where none speaks of that, with a note."""
    frame = chosen(frame, conditions)
    if any(condition.name == STATE for condition in conditions):
        return frame, []
    left = frame[STATE].value_counts().drop(FINISHED, errors="ignore")
    told = ", ".join(f"{count:,} {state}" for state, count in left.items())
    note = f"not among them: {told} (--where state=failed shows those that failed)"
    return frame[frame[STATE] == FINISHED], [note] if told else []


def _numeric(frame: pd.DataFrame, metrics: Sequence[str], first: str | None) -> list[str]:
    """The metrics that have numbers, the one that the runs are about before the others."""
    found = [name for name in metrics if pd.to_numeric(frame[name], errors="coerce").notna().any()]
    return sorted(found, key=lambda name: name != first)


def _sorted(table: pd.DataFrame, text: str) -> pd.DataFrame:
    name, down = text.removeprefix("-"), text.startswith("-")
    column = name if name in table else f"{name}_mean"
    if column not in table:
        known = [str(name).removesuffix("_mean") for name in table]
        raise ConfigError(
            [Problem(f"--sort {text}", f"is no column of the table; {nearest(name, known)}")], "compare"
        )
    try:
        return table.sort_values(column, ascending=not down, kind="stable", ignore_index=True)
    except TypeError:  # of several kinds
        return table.sort_values(
            column, ascending=not down, kind="stable", ignore_index=True, key=lambda c: c.map(str)
        )


def _word(value: Any) -> str:
    if value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value)):
        return "–"
    return number(value)


def _estimate(table: pd.DataFrame, row: Any, metric: str) -> str:
    mean, std = (float(table.loc[row, f"{metric}_{part}"]) for part in ("mean", "std"))
    if math.isnan(mean):
        return "–"
    return number(mean) if math.isnan(std) else f"{number(mean)} ± {number(std, 2)}"


def _interval(table: pd.DataFrame, row: Any, metric: str) -> str:
    low, high = (float(table.loc[row, f"{metric}_{part}"]) for part in ("low", "high"))
    return "–" if math.isnan(low) else f"{number(low)} … {number(high)}"
