"""How good the encoders are: in each run, and by what was swept, beside backbones without training."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from framework.config import canonical_json
from framework.fields import field_at, is_replicate
from framework.metrics.correlation import correlation
from framework.report.aggregate import aggregate, number
from framework.report.kendall import kendall

if TYPE_CHECKING:
    from framework.tracking.results import Results

METHOD, MODEL, SEED = "method", "model", "encoder.seed"
SHORT = {
    "encoder.method.kind": METHOD,
    "encoder.method.views": "views",
    "encoder.method.strategy": "strategy",
    "encoder.data.train_fraction": "train_fraction",
    "encoder.distortions.fraction": "distorted_fraction",
    "encoder.backbone.weights": "weights",
    "encoder.start.kind": "start",
    "encoder.method.predictor.hidden": "predictor",
    "encoder.method.stop_gradient": "stop_gradient",
}
OF_BASELINES = ("encoder.data.", "encoder.backbone.", "encoder.distortions.size", "encoder.method.kind")
"""What a backbone without training depends on, by the beginning of names; and the method, whose place it takes."""
BASELINES = {"random": "random weights", "pretrained": "pretrained"}
EVALUATIONS = ("linear", "knn", "fine_tune")
LINEAR, KNN = "linear_top1_test", "knn_top1_test"
SPREAD = "projections_spread"  # relative to 1/√F, that of random directions; 0 where all lie at one place
NOTHING = "-"


def settings_of(results: "Results") -> tuple[pd.DataFrame, dict[str, str]]:
    """`run_id`, the method and what else was swept besides seeds; and the dotted name of each column.

    A factor that follows from those before it, as the heads do from the method, is left out.
    """
    runs = results.runs
    fields = {name: field_at(results.config, name) for name in results.factors}
    seeds = {name for name, info in fields.items() if info is not None and is_replicate(info)}
    swept = [name for name in results.factors if name in runs and name not in seeds]
    names = list(dict.fromkeys(["encoder.method.kind", *[name for name in SHORT if name in swept], *swept]))
    frame = pd.DataFrame({"run_id": runs["run_id"]})
    columns: dict[str, str] = {}
    for name in names:
        values = runs[name].map(_scalar)
        if (
            columns
            and not (values.groupby([frame[c] for c in columns], dropna=False).nunique(dropna=False) > 1).any()
        ):
            continue
        short = SHORT.get(name, name.removeprefix("encoder."))
        frame[short], columns[short] = values, name
    return frame, columns


def per_run(results: "Results", frame: pd.DataFrame, columns: dict[str, str]) -> pd.DataFrame:
    """A row a run and model: its settings, its seed, and `<evaluation>_top<k>_<split>` among other scores.

    The method of a backbone without training is `random weights` or `pretrained`; of equal ones one row is kept,
    and factors that they do not depend on are `-`.
    """
    scores, about = results.tables["scores"], results.runs[["run_id", "encoder.data.name", SEED]]
    scores = scores.merge(about, on="run_id")
    away = scores["dataset"] != scores["encoder.data.name"]
    scores = scores.assign(elsewhere=("_" + scores["dataset"]).where(away, ""))
    scores = scores.assign(score=[_named(row) for row in scores.itertuples()])
    wide = scores.pivot_table(
        index=["run_id", MODEL], columns="score", values="value", aggfunc="first"
    ).reset_index()
    seeds = about[["run_id", SEED]].rename(columns={SEED: "seed"})
    found = frame.merge(seeds, on="run_id").merge(wide, on="run_id")
    is_encoder = found[MODEL] == "encoder"
    others = found[~is_encoder].copy()
    others[METHOD] = others[MODEL].map(BASELINES)
    for short, name in columns.items():
        if not name.startswith(OF_BASELINES):
            others[short] = NOTHING
    keys = [*columns, "seed"]
    encoders = found[is_encoder].assign(**{SPREAD: found["run_id"].map(_spreads(results))})
    return pd.concat([encoders, others.drop_duplicates(keys)], ignore_index=True)


def _spreads(results: "Results") -> "pd.Series[float]":
    """By run the spread of an encoder's normalised projections over images (`diagnostics/collapse.py`)."""
    rows = results.tables["diagnoses"]
    rows = rows[(rows["place"] == "projections") & (rows["measure"] == "spread")]
    return pd.to_numeric(rows.set_index("run_id")["value"])


def labels(rows: pd.DataFrame, columns: Sequence[str]) -> "pd.Series[str]":
    """What each row is called in a figure: its method, and the other settings by name where they apply."""

    def label(row: "pd.Series[Any]") -> str:
        words = [str(row[METHOD])] if METHOD in columns else []
        others = [name for name in columns if name != METHOD and row[name] != NOTHING]
        return ", ".join([*words, *(f"{name.replace('_', ' ')} {_word(row[name])}" for name in others)])

    return rows.apply(label, axis=1)


def _word(value: object) -> str:
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    return str(value).strip("[]")


def missing(results: "Results") -> list[str]:
    """Why baselines are missing, each reason once."""
    scores = results.tables["scores"]
    absent = scores[pd.to_numeric(scores["value"]).isna() & (scores[MODEL] != "encoder")]
    told = absent.drop_duplicates("note")
    return [f"no {BASELINES[str(kind)]}: {note}" for kind, note in zip(told[MODEL], told["note"], strict=True)]


def scores_in(runs: pd.DataFrame) -> list[str]:
    """The columns of scores: top-1 and neighbours on test first, then the spread of projections, if known."""
    names = [str(name) for name in runs if str(name).endswith(("_test", "_val"))]
    first = [name for name in (LINEAR, KNN) if name in names]
    rest = [name for name in names if name not in first]
    return [*first, *([SPREAD] if runs[SPREAD].notna().any() else []), *rest]


def by_setting(runs: pd.DataFrame, columns: dict[str, str]) -> pd.DataFrame:
    """Mean, standard deviation and n of every score, by setting; methods as they were swept, baselines last."""
    orders = {name: list(dict.fromkeys(runs[name])) for name in columns}
    ranked = {name: pd.Categorical(runs[name], order, ordered=True) for name, order in orders.items()}
    return aggregate(runs.assign(**ranked), list(columns), scores_in(runs)).astype(dict.fromkeys(orders, object))


def brief(table: pd.DataFrame, columns: dict[str, str]) -> pd.DataFrame:
    """For the terminal: by setting the test accuracies in per cent, the spread of projections, and n."""
    text: dict[str, Any] = {name: [_short(value) for value in table[name]] for name in columns}
    for evaluation in EVALUATIONS:
        for top_k in (1, 3):
            stem = f"{evaluation}_top{top_k}_test"
            if f"{stem}_mean" in table:
                pairs = zip(100 * table[f"{stem}_mean"], 100 * table[f"{stem}_std"], strict=True)
                text[f"{evaluation} top-{top_k} (%)"] = [_with_spread(mean, std) for mean, std in pairs]
    if f"{SPREAD}_mean" in table:
        pairs = zip(table[f"{SPREAD}_mean"], table[f"{SPREAD}_std"], strict=True)
        text["spread of projections"] = [_with_spread(mean, std) for mean, std in pairs]
    return pd.DataFrame({**text, "n": table["n"].to_list()})


def correlated(runs: pd.DataFrame, diagnoses: pd.DataFrame) -> pd.DataFrame:
    """Kendall's τ and Pearson's r of each diagnostic with the linear probe's accuracy on test, over all encoders.

    Columns place (features or projections), measure, tau, its interval (low, high), n, pearson and its interval
    (pearson_low, pearson_high, by Fisher's z); the largest |τ| first.
    """
    accuracy = runs[runs[MODEL] == "encoder"].set_index("run_id")[LINEAR]
    rows = []
    for (place, measure), group in diagnoses.groupby(["place", "measure"], sort=False):
        x, y = pd.to_numeric(group["value"]).to_list(), group["run_id"].map(accuracy).to_list()
        r = correlation("pearson", x, y)
        linear = {"pearson": r.coefficient, "pearson_low": r.ci_low, "pearson_high": r.ci_high}
        rows.append({"place": place, "measure": measure, **kendall(x, y)._asdict(), **linear})
    frame = pd.DataFrame(rows)
    return frame.sort_values(
        "tau", key=lambda tau: -tau.abs(), kind="stable", na_position="last", ignore_index=True
    )


def averaged_confusion(frame: pd.DataFrame, confusion: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """The mean share of each class's test images that the linear probe calls each class, by setting."""
    rows = frame.merge(confusion[confusion[MODEL] == "encoder"], on="run_id")
    orders = {name: list(dict.fromkeys(frame[name])) for name in columns}
    ranked = {name: pd.Categorical(rows[name], order, ordered=True) for name, order in orders.items()}
    found = aggregate(rows.assign(**ranked), [*columns, "true", "predicted"], ["share"])
    return found.astype(dict.fromkeys(orders, object))


def _named(row: Any) -> str:
    """The column of a score: `linear_top1_test`, `knn_top3_precision_macro_val`, `linear_top1_mnist_test`."""
    metric = "" if row.metric == "accuracy" else f"_{row.metric}"
    average = f"_{row.average}" if isinstance(row.average, str) and row.average else ""
    return f"{row.evaluation}_top{row.top_k}{metric}{average}{row.elsewhere}_{row.split}"


def _short(value: object) -> str:
    return number(value) if not isinstance(value, str) or len(value) <= 24 else value[:23] + "…"


def _with_spread(mean: float, std: float) -> str:
    if pd.isna(mean):
        return "-"
    return f"{mean:.2f}" if pd.isna(std) else f"{mean:.2f} ± {std:.2f}"


def _scalar(value: object) -> object:
    """Lists and mappings as text: groups need values that can be compared. What is not there is `none`."""
    if isinstance(value, list | tuple | dict):
        return canonical_json(value)
    return "none" if pd.isna(value) else value  # type: ignore[call-overload]
