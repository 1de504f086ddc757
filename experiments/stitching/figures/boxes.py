"""The stitched score of each mapping over all pairs of models: a box a mapping, a panel a setting.

All boxes are at the most anchors, and at the λ that val chose in each run; where the runs scored nothing on val,
at the least positive λ of each mapping. Neither is chosen by the score that is shown.
"""

from collections.abc import Sequence

import pandas as pd
from matplotlib.figure import Figure

from experiments.stitching.figures.lines import parents
from experiments.stitching.figures.looks import KINDS, Score, in_order, kinship, look
from experiments.stitching.selection import has_val, with_chosen_ridge
from framework.report.panels import one_legend, panel_grid, score_axis
from framework.report.style import COLUMN_WIDTH, PAGE_WIDTH, styled


def shown_rows(results: pd.DataFrame) -> pd.DataFrame:
    """The rows with the most anchors and the least positive λ of each mapping."""
    results = results[results["num_samples"] == results["num_samples"].max()]
    least = results["ridge"].where(results["ridge"] > 0).groupby(results["mapping"]).transform("min")
    return results[results["ridge"] == least.fillna(0.0)]


def boxes(results: pd.DataFrame, score: Score, setting: Sequence[str]) -> Figure:
    """A box from quartile to quartile, whiskers to the furthest value within 1.5 of its lengths."""
    results = results[results[f"{score.key}_stitched"].notna()]
    if has_val(results, score):
        most = results[results["num_samples"] == results["num_samples"].max()]
        results = with_chosen_ridge(most, score)
    else:
        results = shown_rows(results)
    groups = list(results.groupby(list(setting), sort=True, dropna=False)) if setting else [((), results)]
    mappings = in_order(results["mapping"])
    across = min(2, len(groups))
    with styled():
        figure, axes = panel_grid(
            len(groups),
            across,
            width=COLUMN_WIDTH if across == 1 else PAGE_WIDTH,
            row_height=0.22 * len(mappings) + 0.55,
            extra_height=0.75,
        )
        for panel, (key, rows) in zip(axes, groups, strict=True):
            title = ", ".join(_word(name, value) for name, value in zip(setting, key, strict=True))
            values = [rows.loc[rows["mapping"] == m, f"{score.key}_stitched"].to_numpy() for m in mappings]
            drawn = panel.boxplot(
                values,
                orientation="horizontal",
                widths=0.6,
                patch_artist=True,
                medianprops={"color": "black", "linewidth": 1.0},
                flierprops={"marker": ".", "markersize": 2.5},
                boxprops={"linewidth": 0.5},
                whiskerprops={"linewidth": 0.6},
                capprops={"linewidth": 0.6},
            )
            for box, mapping in zip(drawn["boxes"], mappings, strict=True):
                box.set_facecolor(look(mapping).colour)
                box.set_alpha(0.55)
            panel.set_yticks(range(1, len(mappings) + 1), [look(m).name for m in mappings])
            panel.invert_yaxis() if panel is axes[0] else None
            panel.set_title(title)
            parents(panel, rows, score, vertical=True)
        spread = results[f"{score.key}_stitched"]
        score_axis(axes[0], float(spread.min()), float(spread.max()), along="x")
        figure.supxlabel(score.label, fontsize=8)
        one_legend(figure, axes)
    return figure


def _word(name: str, value: object) -> str:
    if name in KINDS:
        return kinship(name, value)
    if name.startswith("latent_dim_"):
        return f"{name.removeprefix('latent_dim_')} dim {value}"
    return str(value)
