"""The stitching report: the stitched score by mapping, anchors and ridge, beside the parents' own.

Every number is a mean over ordered pairs of models and draws of anchors, with the standard deviation over them and
their number n. The table has every λ. `selected` has the λ that the val split chose, with an interval over the
models (`selection.py`), and `differences` compares mappings within pairs.
"""

from collections.abc import Container, Iterator, Mapping
from functools import cache, partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from experiments.stitching.answer import answer
from experiments.stitching.figures.kinds import classes, kinds
from experiments.stitching.figures.latents import embeddings, latents
from experiments.stitching.figures.lines import by_anchors, by_ridge
from experiments.stitching.figures.looks import KINDS, ROLES, SCORES, Score, in_order
from experiments.stitching.figures.pictures import error_maps, stitched_images
from experiments.stitching.figures.ranking import ranking
from experiments.stitching.selection import differences, has_val, selected
from framework.errors import SashikoError
from framework.report.aggregate import aggregate, readable, varying
from framework.report.digest import Later, digest_of, with_loaded
from framework.report.report import Draw, Report
from framework.ssl.config import CONFIGS as METHODS

# What sets one comparison apart from another; those that do not vary are left out.
SETTING = (
    *("dataset", "split", *KINDS, "source_layer", "target_layer"),
    *("latent_dim_source", "latent_dim_target", "sampling"),
)
AXES = ("mapping", "num_samples", "ridge")

Galleries = Mapping[str, Mapping[str, npt.NDArray[Any]]]


class Tables(Protocol):
    """The tables and arrays of a sweep (`framework.tracking.tables.Tables`)."""

    def __iter__(self) -> Iterator[str]: ...
    def __getitem__(self, name: str) -> pd.DataFrame: ...
    def files(self, name: str) -> list[tuple[str, Path]]:
        """The file of a table for each run, by the run's id."""

    def arrays(self, name: str, runs: Container[str] | None = None) -> Any:
        """Pairs of a run's id and its arrays, of these runs alone if any are given."""


def report(tables: Tables) -> Report:
    """Table and figures from what stitching runs log (`tables.py`, `gallery.py`).

    Raises:
        SashikoError: no run has logged the table `results`.
    """
    if "results" not in set(tables) or tables["results"].empty:
        raise SashikoError("no finished stitching run has logged the table `results`: run some points first")
    results = with_kinship(tables["results"])
    scores = [score for score in SCORES if f"{score.key}_stitched" in results]
    setting = _setting(results)
    metrics = [f"{score.key}_{role}" for score in scores for role in ("stitched", *ROLES)]
    table = aggregate(results, [*setting, *AXES], [metric for metric in metrics if metric in results])
    parents = [metric for metric in metrics if not metric.endswith("_stitched")]
    table = table.drop(columns=[f"{metric}_std" for metric in parents if f"{metric}_std" in table])
    table = table.rename(columns={f"{metric}_mean": metric for metric in parents})
    figures: dict[str, Draw] = {}
    for score in scores:
        figures |= _score_figures(score, table, results, setting, tables)
    figures |= _gallery_figures(results, tables)
    split = ", ".join(map(str, results["split"].unique()))
    more = {}
    by_val = [score for score in scores if has_val(results, score)]
    for score in by_val:
        word = "" if len(by_val) == 1 else f"_{score.word}"
        more[f"selected{word}"] = selected(results, setting, score)
        more[f"differences{word}"] = differences(results, setting, score)
    return Report(
        table,
        figures,
        brief=partial(brief, table, scores, setting),
        more={name: rows for name, rows in more.items() if not rows.empty},
        answer=partial(answer, _shown_first(table, by_val, scores, more), table, scores, setting, split),
    )


def _shown_first(
    table: pd.DataFrame, by_val: list[Score], scores: list[Score], more: dict[str, pd.DataFrame]
) -> pd.DataFrame | None:
    """What val selected of the score that the answer shows; None where nothing was scored on val."""
    score = next(score for score in scores if table[f"{score.key}_stitched_mean"].notna().any())
    return more["selected" if len(by_val) == 1 else f"selected_{score.word}"] if score in by_val else None


def with_kinship(results: pd.DataFrame) -> pd.DataFrame:
    """The column `architectures`, of self-supervised encoders alone `methods`: whether both have the same one."""
    kinds = results[["source_kind", "target_kind"]]
    name = "methods" if kinds.isin(list(METHODS)).all(axis=None) else "architectures"
    return results.assign(**{name: np.where(kinds["source_kind"] == kinds["target_kind"], "same", "another")})


def brief(table: pd.DataFrame, scores: list[Score], setting: list[str]) -> pd.DataFrame:
    """The table for the terminal: a row a mapping and ridge, a column a number of anchors; `mean ± std`."""
    frames = []
    for score in scores:
        rows = table[table[f"{score.key}_stitched_mean"].notna()]
        keys = [*setting, "mapping", "ridge"]
        text = readable(rows)[f"{score.key}_stitched"].to_numpy()
        wide = rows.assign(_text=text).pivot_table(
            index=keys,
            columns="num_samples",
            values="_text",
            aggfunc="first",
            sort=False,
            dropna=True,
            fill_value="",
        )
        wide.columns = [f"n = {count}" for count in wide.columns]
        own = rows.groupby(keys, dropna=False, sort=False)
        for role in ROLES:
            if f"{score.key}_{role}" in rows and rows[f"{score.key}_{role}"].notna().any():
                wide[f"{role} alone"] = own[f"{score.key}_{role}"].mean()
        wide["n"] = own["n"].max()
        wide = wide.reset_index()
        order = {mapping: place for place, mapping in enumerate(in_order(wide["mapping"]))}
        wide = wide.sort_values(
            [*setting, "mapping", "ridge"], key=lambda c: c.map(order) if c.name == "mapping" else c
        )
        wide.insert(0, "score", score.key)
        frames.append(wide if len(scores) > 1 else wide.drop(columns="score"))
    return pd.concat(frames, ignore_index=True)


def _setting(results: pd.DataFrame) -> list[str]:
    """The factors that vary; two latent sizes that are always equal count as one."""
    names = varying(results, [name for name in SETTING if name in results or name not in KINDS])
    if (results["latent_dim_source"] == results["latent_dim_target"]).all():
        names = [name for name in names if name != "latent_dim_source"]
    return names


def _score_figures(
    score: Score, table: pd.DataFrame, results: pd.DataFrame, setting: list[str], tables: Tables
) -> dict[str, Draw]:
    figures: dict[str, Draw] = {
        f"{score.word}_by_mapping": partial(ranking, results, score, setting),
        f"{score.word}_by_num_samples": partial(by_anchors, results, score, setting),
        f"{score.word}_by_ridge": partial(by_ridge, table, score),
        f"{score.word}_by_kind": partial(kinds, results, score),
    }
    if not (table.groupby("mapping")["ridge"].nunique() > 1).any():
        del figures[f"{score.word}_by_ridge"]
    if "results_class" in set(tables):  # to ask a mapping whether it has a table would read it
        known = cache(lambda: str(digest_of(tables["results_class"])))
        by_class = Later(lambda: tables["results_class"], known)
        figures[f"{score.word}_by_class"] = partial(with_loaded, classes, by_class, score)
    return figures


def _gallery_figures(results: pd.DataFrame, tables: Tables) -> dict[str, Draw]:
    """Latents and pictures of the first pair of models (by name; of another kind, where there is one)."""
    pairs = results.sort_values([*(name for name in KINDS if name in results), "source", "target"])
    first = pairs[(pairs["source"] == pairs["source"].iloc[0]) & (pairs["target"] == pairs["target"].iloc[0])]
    first = first[first["sampling"] == first["sampling"].iloc[0]]
    each = first.drop_duplicates("run_id")
    runs = dict(zip(each["run_id"], each["mapping"], strict=True))

    def galleries() -> Galleries:
        return {runs[run_id]: arrays for run_id, arrays in tables.arrays("gallery", runs)}

    loaded = cache(galleries)
    data = Later(loaded, cache(lambda: str(digest_of(loaded()))))
    figures: dict[str, Draw] = {
        f"latents_{name}": partial(with_loaded, latents, data, name) for name in embeddings()
    }
    if "mse_stitched" in first and first["mse_stitched"].notna().any():
        figures["stitched_images"] = partial(with_loaded, stitched_images, data)
        figures["error_maps"] = partial(with_loaded, error_maps, data)
    return figures
