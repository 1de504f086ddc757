"""The report on models of tables: every model beside the dummy, as a table, an answer and a figure."""

from functools import partial
from typing import TYPE_CHECKING

import pandas as pd
from matplotlib.figure import Figure

from framework.errors import SashikoError
from framework.report.forest import ROW, Row, forest
from framework.report.heatmap import CELL, by_column, heatmap
from framework.report.intervals import of_replicates
from framework.report.panels import panel_grid
from framework.report.report import Answer, Draw, Report
from framework.report.style import COLOURS, COLUMN_WIDTH, PAGE_WIDTH, REFERENCE, new_figure, styled
from framework.tabular.scores import PRIMARY
from framework.tabular.summary import DATA, DUMMY, MODEL, by_setting, errors_left, runs_of

if TYPE_CHECKING:
    from framework.tracking.results import Results

MOST_TABLES = 5


def report(results: "Results") -> Report:
    """Tables and figure of a sweep over tables, models and seeds (`summary.py`).

    The table has a row for each setting and metric of the test split; the figure shows what share of the dummy's
    error each model leaves.

    Raises:
        SashikoError: no run has finished.
    """
    runs = results.runs
    if runs.empty or "task" not in runs or not (runs["state"] == "finished").any():
        raise SashikoError("no finished run has logged scores: run some points first")
    runs, keys = runs_of(results)
    table = by_setting(runs, keys)
    left = errors_left(runs, keys)
    figures: dict[str, Draw] = {} if left.empty else {"error_left": partial(error_left_by_model, left, keys)}
    if set(keys) >= {DATA, MODEL}:
        figures["scores"] = partial(scores_by_model, table)
    is_small = keys == [DATA, MODEL] and table[DATA].nunique() <= MOST_TABLES
    answer = partial(_answer, table) if is_small else None
    notes = [
        "scores on the test split, mean and 95 % interval (t) over n seeds, each with splits of its own; gain: by "
        "how much it is better than the dummy on the same splits. val stops training, chooses epochs and trees; "
        "test chooses nothing.",
    ]
    return Report(table, figures, partial(brief, table), {"error_left": left.drop(columns="seeds")}, notes, answer)


def primary(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of the metric that each task is first asked for."""
    return table[table["metric"] == table["task"].map(PRIMARY)]


def brief(table: pd.DataFrame) -> pd.DataFrame:
    """For the terminal: the first metric of each setting, and its gain, with half the width of their intervals."""
    rows = primary(table)
    keys = list(rows.columns[: list(rows.columns).index("task")])
    text = {"mean": _with_margin(rows, "mean", "high"), "gain": _with_margin(rows, "gain", "gain_high")}
    return rows[[*keys, "metric"]].assign(**text, n=rows["n"]).reset_index(drop=True)


def _with_margin(rows: pd.DataFrame, mean: str, high: str) -> list[str]:
    pairs = zip(rows[mean], rows[high], strict=True)
    return ["-" if m != m else f"{m:.3f}" if h != h else f"{m:.3f} ± {h - m:.3f}" for m, h in pairs]  # noqa: PLR0124


def _answer(table: pd.DataFrame) -> Answer:
    """A row a model, a column a table; the best mean of each table is marked."""
    rows = primary(table)
    best = rows.index.isin(rows.groupby(DATA, sort=False)["mean"].idxmax())
    marks = pd.Series(best, rows.index).map({True: "*", False: ""})
    told = rows.assign(text=pd.Series(_with_margin(rows, "mean", "high"), rows.index) + marks)
    wide = told.pivot_table(index=MODEL, columns=DATA, values="text", aggfunc="first", sort=False)
    numbers = ", ".join(rows.loc[rows["task"] == "regression", DATA].unique())
    least, most = rows["n"].min(), rows["n"].max()
    seeds = f"{least} seeds" if least == most else f"{least} to {most} seeds"
    caption = [
        f"Accuracy on test{f'; of {numbers} R²' if numbers else ''}. Higher is better, * is the best mean.",
        f"Mean and 95 % interval over {seeds}, each with splits of its own; val chose epochs and trees.",
    ]
    if rows["gain"].notna().any():
        doubtful = rows[(rows[MODEL] != DUMMY) & ~(rows["gain_low"] > 0)]
        named = ", ".join(f"{row[MODEL]} on {row[DATA]}" for row in doubtful.to_dict("records"))
        caption.append(f"Not surely better than the dummy: {named or 'none'}."[: Answer.COLUMNS])
    return Answer(wide.fillna("-").rename_axis(None, axis=1).reset_index(), caption)


def scores_by_model(table: pd.DataFrame) -> Figure:
    """Each task's first metric on test, by model and table, as numbers: within a table the brighter the better."""
    wide = primary(table).pivot_table(index=MODEL, columns=DATA, values="mean", sort=False)
    values = wide.to_numpy(dtype=float)
    with styled():
        height = CELL * len(wide) + 0.75
        figure = new_figure(max(COLUMN_WIDTH, 1.3 + 0.62 * values.shape[1]), height)
        axes = figure.add_subplot()
        models, names = ([str(word).replace("_", " ") for word in words] for words in (wide.index, wide.columns))
        heatmap(axes, values, by_column(values), rows=models, columns=names, text=lambda value: f"{value:.3f}")
        axes.tick_params(axis="x", rotation=20)
        axes.set_title("accuracy on test; of numbers R²")
    return figure


def error_left_by_model(left: pd.DataFrame, keys: list[str]) -> Figure:
    """A panel a table, a row a model: the share of the dummy's error that is left, with its interval; 0 at best.

    Faint ticks are seeds. Each panel has an axis of its own, which ends where its models do; the dummy is at 1.
    """
    left = left[left[MODEL] != DUMMY]
    panels = list(left.groupby([key for key in keys if key != MODEL], sort=False, dropna=False))
    models = list(dict.fromkeys(left[MODEL]))
    across, height = min(len(panels), 3), ROW * len(models) + 0.4
    with styled():
        figure, axes = panel_grid(
            len(panels), across, width=PAGE_WIDTH, row_height=height, extra_height=0.25, share=False
        )
        for number, (panel, (key, group)) in enumerate(zip(axes, panels, strict=True)):
            panel.set_title(", ".join(map(str, key)))
            forest(panel, [_row(model, group.loc[group[MODEL] == model, "left"].to_list()) for model in models])
            panel.tick_params(axis="y", labelleft=number % across == 0)
            panel.set_xlim(left=min(0.0, float(group["left"].min())))
            if panel.get_xlim()[1] > 1:
                panel.axvline(1, color=REFERENCE, linestyle="--", linewidth=0.7, zorder=1)
        figure.supxlabel("share of the dummy's error that is left", fontsize=8)
    return figure


def _row(model: str, values: list[float]) -> Row:
    """The mean over seeds, and its interval."""
    mean, low, high = of_replicates(values) if values else (float("nan"),) * 3
    return Row(model.replace("_", " "), mean, max(low, 0.0), high, COLOURS[0], spread=values)
