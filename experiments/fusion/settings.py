"""What sets the runs of a sweep apart besides their seeds: the report averages over nothing else."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from framework.config import canonical_json
from framework.fields import is_replicate, leaf_fields
from framework.report.aggregate import varying

if TYPE_CHECKING:
    from framework.tracking.results import Results

ALWAYS = {"first.data.name": "dataset", "first.model.kind": "architecture"}
# Parents that come from files: which files is what a seed is otherwise, and their architecture stands here.
FILES = ("parents", "model.kind")
FIRST, SECOND, MORE = "first.", "second.", "more"
PARENTS_JOINED = "+"  # between the identities of a run's parents in the column `parents` of its tables
LONGEST = 24  # characters of a value in a title


@dataclass(frozen=True)
class Settings:
    """The setting of each run.

    `frame` has `run_id` and a column for each of `names`: data set, architecture, and every factor that the
    sweep varies and that is no seed. `telling` are those of them that are needed to tell settings apart.
    """

    frame: pd.DataFrame
    names: list[str]
    telling: list[str]

    @classmethod
    def of(cls, results: "Results") -> "Settings":
        """The settings of a sweep. A factor that both parents share in every run is one column, not two; further
        parents are told without their seeds.
        """
        runs, fields = results.runs, dict(leaf_fields(results.config))
        if MORE in runs:
            runs = runs.assign(**{MORE: runs[MORE].map(_seedless)})
        seeds = {name for name, info in fields.items() if is_replicate(info)}
        factors = [name for name in results.factors if name in runs and name not in (*ALWAYS, *FILES, *seeds)]
        factors = [name for name in factors if not name.split(".")[-1].endswith("seed") and not _twin(runs, name)]
        if MORE in factors and runs[MORE].map(repr).nunique() == 1:
            factors.remove(MORE)
        if "model.kind" in runs:
            kinds = runs["model.kind"].fillna(runs["first.model.kind"])
            runs = runs.assign(**{"first.model.kind": kinds})
        columns = {name: short for name, short in ALWAYS.items() if name in runs} | _short(factors)
        frame = pd.DataFrame(
            {"run_id": runs["run_id"], **{short: runs[name].map(_scalar) for name, short in columns.items()}}
        )
        names = list(columns.values())
        return cls(frame, names, _telling(frame, names))

    def join(self, table: pd.DataFrame) -> pd.DataFrame:
        """`table` with the setting of each row's run in front."""
        return self.frame.merge(table, on="run_id")

    def panels(self, table: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
        """The rows of each setting, with its title; none of an empty table."""
        if table.empty:
            return
        if not self.telling:
            shown = [name for name in ALWAYS.values() if name in table]
            yield _title(shown, [table[name].iloc[0] for name in shown]), table
            return
        for key, rows in table.groupby(self.telling, sort=True, dropna=False):
            yield _title(self.telling, key if isinstance(key, tuple) else (key,)), rows

    def shown(self, table: pd.DataFrame) -> pd.DataFrame:
        """The columns that tell the settings of `table` apart, as short text."""
        return pd.DataFrame({name: table[name].map(_text) for name in self.telling}, index=table.index)


def _twin(runs: pd.DataFrame, name: str) -> bool:
    """Whether `name` is the second parent's, and the first parent's is equal in every run."""
    first = FIRST + name.removeprefix(SECOND)
    return (
        name.startswith(SECOND) and first in runs and bool((runs[name].map(repr) == runs[first].map(repr)).all())
    )


def _short(factors: Sequence[str]) -> dict[str, str]:
    """Each factor by its last word, or by its dotted name where two end in the same one."""
    # `depth` of the first parent alone would read as that of both.
    one_sided = {name for name in factors if SECOND + name.removeprefix(FIRST) in factors}
    whole = {name: name if name in one_sided else name.removeprefix(FIRST) for name in factors}
    whole = {name: text.removesuffix(".kind") for name, text in whole.items()}
    last = [text.split(".")[-1] for text in whole.values()]
    plain = {name: text for name, text in whole.items() if "." in text and not text.startswith((FIRST, SECOND))}
    return whole | {
        name: word
        for name, text in plain.items()
        if last.count(word := text.split(".")[-1]) == 1 and word not in (*ALWAYS.values(), *RESERVED)
    }


# Columns of the tables that settings are joined to.
RESERVED = (
    *("family", "stage", "recipe", "split", "accuracy", "cross_entropy", "seconds", "n", "parent", "basis"),
    *("order", "units", "target_units", "cost", "diagonal", "place", "metric", "barrier", "space", "value"),
    *("unit", "better", "against", "method", "coefficient", "p_value", "defined", "seed", "name", "state"),
    *("sigma", "bracketed", "moved"),
)


def _telling(frame: pd.DataFrame, names: Sequence[str]) -> list[str]:
    """The columns that vary, without those that the ones before them determine."""
    kept: list[str] = []
    for name in varying(frame, names):
        if not kept or (frame.groupby(kept, dropna=False)[name].nunique(dropna=False) > 1).any():
            kept.append(name)
    return kept


def _seedless(value: Any) -> Any:
    """Configs, as data, without the seeds in them."""
    if isinstance(value, dict):
        return {name: _seedless(part) for name, part in value.items() if not name.endswith("seed")}
    return [_seedless(part) for part in value] if isinstance(value, list | tuple) else value


def _scalar(value: Any) -> Any:
    """Lists and mappings as text: groups need values that can be compared."""
    if isinstance(value, list | tuple):
        return ", ".join(str(_scalar(part)) for part in value)
    return canonical_json(value) if isinstance(value, dict) else value


def _title(names: Sequence[str], values: Sequence[Any]) -> str:
    words = []
    for name, value in zip(names, values, strict=True):
        if pd.isna(value):
            continue  # a field of another architecture
        text = _text(value)
        words.append(text if name in ALWAYS.values() else f"{name.replace('_', ' ')} {text}")
    return ", ".join(words)


def _text(value: Any) -> str:
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
