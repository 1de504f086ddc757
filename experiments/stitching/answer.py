"""What the stitching report says first: the best mapping for each number of anchors, and what to compare it with.

The val split chooses λ in each run and then the mapping; what is shown is their score on the other split. Where
the runs scored nothing on val, the best is the one with the best mean of the very numbers that are shown, and the
caption says so. The whole table has them all.
"""

from collections.abc import Sequence

import pandas as pd

from experiments.stitching.figures.looks import NAMES, ROLES, Score
from framework.report.aggregate import number
from framework.report.report import Answer

BASELINE, PARENTS = "zero-shot", "parents"
ONCE = (BASELINE, PARENTS, *ROLES)
"""Columns that do not depend on the anchors."""
SETTING, COUNT = "setting", "n"
MOST_ROWS = 12
RELATIVE, UNIT = "_relative", " tr/D"
"""How the names of mappings end whose λ is in units of trace(ZᵀZ)/D, and what stands behind it."""
GAP = 2  # characters between two columns
DIGITS, SPREAD_DIGITS = 3, 2


def answer(
    selected: pd.DataFrame | None, table: pd.DataFrame, scores: Sequence[Score], setting: Sequence[str], split: str
) -> Answer:
    """A row for each setting and number of anchors; of many the fewest and the most anchors, evenly between.

    Args:
        selected: Of the score that is shown, what val chose (`selection.py`); None where it chose nothing.
        table: The report's: means over pairs, by `setting`, mapping, number of anchors and ridge.
        scores: The first of them that the table holds is shown.
        setting: The columns that set one comparison apart from another.
        split: Which images are scored, for the caption.
    """
    score = next(score for score in scores if table[f"{score.key}_stitched_mean"].notna().any())
    by_val = selected is not None
    table = selected if selected is not None else table[table[f"{score.key}_stitched_mean"].notna()]
    groups = [("", table)] if not setting else list(table.groupby(list(setting), sort=True, dropna=False))
    name = setting[0] if len(setting) == 1 else SETTING
    as_many = all(group["n"].nunique() == 1 for _, group in groups)
    line = _line_by_val if by_val else _line
    rows = []
    for _, group in groups[:MOST_ROWS]:
        words = ", ".join(_word(column, group[column].iloc[0]) for column in setting)
        label = f"{words} (n = {group['n'].iloc[0]})" if as_many and setting else words
        counts = _some(group, MOST_ROWS // min(len(groups), MOST_ROWS))
        lines = [{name: label} | line(group, count, score) for count in counts]
        rows += [lines[0], *(text | dict.fromkeys((name, *(set(ONCE) & set(text))), "") for text in lines[1:])]
    found = _one_column_of_parents(pd.DataFrame(rows))
    empty = [column for column in (name, BASELINE) if (found[column] == "").all()]
    found = _fitted(found.drop(columns=[*empty, *([COUNT] if as_many else [])]), name)
    n = "n" if setting or not as_many else str(table["n"].iloc[0])
    return Answer(found, _caption(table, score, split, n, len(groups), by_val))


def _word(column: str, value: object) -> str:
    """The value of a setting in few letters."""
    text = str(value) or "latent space"
    return f"dim {text}" if column.startswith("latent_dim_") else text


def _some(group: pd.DataFrame, most: int) -> list[int]:
    """At most so many of the numbers of anchors: the largest, the smallest, and evenly between."""
    counts = sorted(group["num_samples"].unique())
    if len(counts) <= most:
        return counts
    if most == 1:
        return counts[-1:]
    return [counts[round(place * (len(counts) - 1) / (most - 1))] for place in range(most)]


def _line_by_val(group: pd.DataFrame, count: int, score: Score) -> dict[str, str]:
    """The mapping that is best on val, and its score with an interval over models, where there are enough."""
    rows, name = group[group["num_samples"] == count], f"{score.key}_stitched"
    on_val = rows[f"{score.key}_val_mean"]
    best = rows.iloc[int(on_val.argmax() if score.higher_is_better else on_val.argmin())]
    mean, low, high, std = (best[f"{name}_{part}"] for part in ("mean", "low", "high", "std"))
    spread = "" if pd.isna(std) else f" ± {number(std, SPREAD_DIGITS)}"
    if not pd.isna(low):
        spread = f" [{number(low, DIGITS)}, {number(high, DIGITS)}]"
    bare = rows.loc[rows["mapping"] == "identity", f"{name}_mean"]
    kind = best["mapping"].removesuffix(RELATIVE)
    mapping, unit = NAMES.get(kind, kind), UNIT if kind != best["mapping"] else ""
    several = group.loc[group["mapping"] == best["mapping"], "ridge_high"].max() > 0
    ends = f"{best['ridge_low']:g}" + (
        f"–{best['ridge_high']:g}" if best["ridge_low"] < best["ridge_high"] else ""
    )
    return {
        "anchors": str(count),
        "best mapping": f"{mapping}, λ={ends}{unit}" if several else mapping,
        score.word: f"{number(mean, DIGITS)}{spread}",
        BASELINE: number(bare.iloc[0], DIGITS) if len(bare) else "",
        **{role: number(best[f"{score.key}_{role}"], DIGITS) for role in ROLES if f"{score.key}_{role}" in best},
        COUNT: str(best["n"]),
    }


def _line(group: pd.DataFrame, count: int, score: Score) -> dict[str, str]:
    rows = group[group["num_samples"] == count]
    means = rows[f"{score.key}_stitched_mean"]
    best = rows.iloc[int(means.argmax() if score.higher_is_better else means.argmin())]
    several = group.loc[group["mapping"] == best["mapping"], "ridge"].nunique() > 1
    bare = means[rows["mapping"] == "identity"]
    mapping = NAMES.get(best["mapping"], best["mapping"])
    std = best[f"{score.key}_stitched_std"]
    spread = "" if pd.isna(std) else f" ± {number(std, SPREAD_DIGITS)}"
    return {
        "anchors": str(count),
        "best mapping": f"{mapping}, λ={best['ridge']:g}" if several else mapping,
        score.word: f"{number(best[f'{score.key}_stitched_mean'], DIGITS)}{spread}",
        BASELINE: number(bare.iloc[0], DIGITS) if len(bare) else "",
        **{r: number(best[f"{score.key}_{r}"], DIGITS) for r in ROLES if f"{score.key}_{r}" in best},
        COUNT: str(best["n"]),
    }


def _one_column_of_parents(table: pd.DataFrame) -> pd.DataFrame:
    """Over all ordered pairs both parents have the same mean."""
    if not set(ROLES) <= set(table) or not (table[ROLES[0]] == table[ROLES[1]]).all():
        return table
    return table.drop(columns=ROLES[1]).rename(columns={ROLES[0]: PARENTS})


def _fitted(table: pd.DataFrame, name: str) -> pd.DataFrame:
    """As wide as a line: where there is no room, the setting is cut."""
    over = _width(table) - Answer.COLUMNS
    if name not in table or over <= 0:
        return table
    settings = [str(text) for text in table[name]]
    room = max(max(map(len, settings)) - over, len(name))
    return table.assign(**{name: [text if len(text) <= room else f"{text[: room - 1]}…" for text in settings]})


def _width(table: pd.DataFrame) -> int:
    widths = [max(map(len, [str(column), *map(str, table[column])])) for column in table]
    return sum(widths) + GAP * (len(widths) - 1)


def _caption(table: pd.DataFrame, score: Score, split: str, n: str, settings: int, by_val: bool) -> list[str]:
    better = "higher" if score.higher_is_better else "lower"
    count = table["mapping"].nunique()
    intervals = by_val and bool(table[f"{score.key}_stitched_low"].notna().any())
    spread = "[95 % interval over models]" if intervals else "± std"
    draws = int(table["draws"].max()) if by_val else 1
    of = f"{n} = pairs x {draws} draws" if draws > 1 else f"{n} pairs"
    why = "chosen on val" if by_val else "by the mean shown"
    return [
        f"{score.label} ({split}), {better} is better; mean {spread} over {of}",
        f"best of {count} mappings and their λ {why}; parents: each by itself"
        + (f"; {MOST_ROWS} of {settings} settings" if settings > MOST_ROWS else ""),
    ]
