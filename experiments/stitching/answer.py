"""What the stitching report says first: the best mapping for each number of anchors, and what to compare it with.

The best is the one with the best mean of the very numbers that are shown: no other split chose it, and the caption
says so. The whole table has them all.
"""

from collections.abc import Sequence

import pandas as pd

from experiments.stitching.figures.looks import NAMES, ROLES, Score
from framework.report.aggregate import number
from framework.report.report import Answer

BASELINE = "identity"
ONCE = ("zero-shot", *ROLES)
SETTING = "setting"
MOST_ROWS = 12
GAP = 2  # characters between two columns
DIGITS, SPREAD_DIGITS = 3, 2


def answer(table: pd.DataFrame, scores: Sequence[Score], setting: Sequence[str], split: str) -> Answer:
    """A row for each setting and number of anchors; of many the fewest and the most anchors, evenly between.

    Args:
        table: The report's: means over pairs, by `setting`, mapping, number of anchors and ridge.
        scores: The first of them that the table holds is shown.
        setting: The columns that set one comparison apart from another.
        split: Which images are scored, for the caption.
    """
    score = next(score for score in scores if table[f"{score.key}_stitched_mean"].notna().any())
    table = table[table[f"{score.key}_stitched_mean"].notna()]
    groups = [("", table)] if not setting else list(table.groupby(list(setting), sort=True, dropna=False))
    shown = groups[:MOST_ROWS]
    name = setting[0] if len(setting) == 1 else SETTING
    rows = []
    for _, group in shown:
        lines = [_line(group, count, score) for count in _some(group, MOST_ROWS // len(shown))]
        words = ", ".join(_word(column, group[column].iloc[0]) for column in setting)
        # What does not depend on the anchors stands once.
        rows += [{name: words} | lines[0], *({name: ""} | line | dict.fromkeys(ONCE, "") for line in lines[1:])]
    found = _fitted(pd.DataFrame(rows), name)
    empty = [column for column in (name, "λ", "zero-shot") if (found[column] == "").all()]
    return Answer(found.drop(columns=empty), _caption(table, score, split, len(shown), len(groups)))


def _word(column: str, value: object) -> str:
    """The value of a setting in few letters."""
    text = str(value) or "latent space"
    return f"dim {text}" if column.startswith("latent_dim_") else text


def _fitted(table: pd.DataFrame, name: str) -> pd.DataFrame:
    """As wide as a line: the baseline goes without its spread where there is no room, then the setting is cut."""
    if _width(table) > Answer.COLUMNS:
        table = table.assign(**{"zero-shot": table["zero-shot"].str.split(" ± ").str[0]})
    settings = [str(text) for text in table[name]]
    room = max(max(map(len, settings)) - max(_width(table) - Answer.COLUMNS, 0), len(name))
    cut = [text if len(text) <= room else f"{text[: room - 1]}…" for text in settings]
    return table.assign(**{name: cut})


def _width(table: pd.DataFrame) -> int:
    widths = [max(map(len, [str(column), *map(str, table[column])])) for column in table]
    return sum(widths) + GAP * (len(widths) - 1)


def _some(group: pd.DataFrame, most: int) -> list[int]:
    """At most so many of the numbers of anchors: the largest, the smallest, and evenly between."""
    counts = sorted(group["num_samples"].unique())
    if len(counts) <= most:
        return counts
    if most == 1:
        return counts[-1:]
    return [counts[round(place * (len(counts) - 1) / (most - 1))] for place in range(most)]


def _line(group: pd.DataFrame, count: int, score: Score) -> dict[str, str]:
    rows = group[group["num_samples"] == count]
    means = rows[f"{score.key}_stitched_mean"]
    best = rows.iloc[int(means.argmax() if score.higher_is_better else means.argmin())]
    several = group.loc[group["mapping"] == best["mapping"], "ridge"].nunique() > 1
    bare = rows[rows["mapping"] == BASELINE]
    alone = {role: number(best[f"{score.key}_{role}"], DIGITS) for role in ROLES if f"{score.key}_{role}" in best}
    return {
        "anchors": str(count),
        "best mapping": NAMES.get(best["mapping"], best["mapping"]),
        "λ": f"{best['ridge']:g}" if several else "",
        score.word: _spread(best, score),
        "zero-shot": _spread(bare.iloc[0], score) if len(bare) else "",
        **alone,
        "n": str(best["n"]),
    }


def _spread(row: pd.Series, score: Score) -> str:
    mean, std = row[f"{score.key}_stitched_mean"], row[f"{score.key}_stitched_std"]
    text = number(mean, DIGITS)
    return text if pd.isna(std) else f"{text} ± {number(std, SPREAD_DIGITS)}"


def _caption(table: pd.DataFrame, score: Score, split: str, shown: int, settings: int) -> list[str]:
    better = "higher" if score.higher_is_better else "lower"
    count = table["mapping"].nunique()
    return [
        f"{score.word}: {score.label}, {split} split, {better} is better; mean ± std over n pairs of models",
        f"best of {count} mappings and their λ by the mean shown; source, target: parents alone"
        + (f"; {shown} of {settings} settings" if shown < settings else ""),
    ]
