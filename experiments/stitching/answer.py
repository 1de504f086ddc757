"""What the stitching report says first: the best mapping for each number of anchors, and what to compare it with.

The best is the one with the best mean of the very numbers that are shown: no other split chose it, and the caption
says so. The whole table has them all.
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
    name = setting[0] if len(setting) == 1 else SETTING
    as_many = all(group["n"].nunique() == 1 for _, group in groups)
    rows = []
    for _, group in groups[:MOST_ROWS]:
        words = ", ".join(_word(column, group[column].iloc[0]) for column in setting)
        label = f"{words} (n = {group['n'].iloc[0]})" if as_many and setting else words
        counts = _some(group, MOST_ROWS // min(len(groups), MOST_ROWS))
        lines = [{name: label} | _line(group, count, score) for count in counts]
        rows += [lines[0], *(line | dict.fromkeys((name, *(set(ONCE) & set(line))), "") for line in lines[1:])]
    found = _one_column_of_parents(pd.DataFrame(rows))
    empty = [column for column in (name, BASELINE) if (found[column] == "").all()]
    found = _fitted(found.drop(columns=[*empty, *([COUNT] if as_many else [])]), name)
    pairs = "n pairs" if setting or not as_many else f"{table['n'].iloc[0]} pairs"
    return Answer(found, _caption(table, score, split, pairs, len(groups)))


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


def _caption(table: pd.DataFrame, score: Score, split: str, pairs: str, settings: int) -> list[str]:
    better = "higher" if score.higher_is_better else "lower"
    count = table["mapping"].nunique()
    return [
        f"{score.label} ({split}), {better} is better; mean ± std over {pairs}",
        f"best of {count} mappings and their λ by the mean shown; parents: each by itself"
        + (f"; {MOST_ROWS} of {settings} settings" if settings > MOST_ROWS else ""),
    ]
