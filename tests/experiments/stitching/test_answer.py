"""The answer is short, says how it was chosen, and shows the best mapping beside its baselines."""

import io

import pandas as pd
import pytest
from rich.console import Console

from experiments.stitching.report import report
from framework.report.report import Answer
from launch.show import print_frame
from tests.experiments.stitching.test_report import PAIRS, RIGID, SEEDED, made, with_val


def printed(answer: Answer) -> list[str]:
    out = io.StringIO()
    print_frame(answer.table, Console(file=out, width=400))
    return [line.rstrip() for line in out.getvalue().splitlines()] + list(answer.caption)


def varied(architectures=2, samplings=1, dims=1, counts=3, mappings=("linear", "decouple_affine", "identity")):
    """Results with so many settings and numbers of anchors."""
    tables = made(
        mappings=mappings,
        samplings=("equally", "convex_hull", "worst_classes", "furthest_away")[:samplings],
        dims=(8, 16, 32)[:dims],
        pairs=PAIRS if architectures == 2 else (PAIRS[0], PAIRS[2]),
    )
    rows = tables["results"]
    more = [rows[rows["num_samples"] == 50].assign(num_samples=300 + step) for step in range(counts - 3)]
    tables["results"] = pd.concat([rows, *more], ignore_index=True)
    return tables


def test_a_row_a_setting_and_number_of_anchors_with_the_best_mapping():
    tables = made()
    rows = tables["results"]
    best = (rows["mapping"] == "affine") & (rows["ridge"] == 0.1) & (rows["num_samples"] == 50)
    tables["results"].loc[best, "mse_stitched"] = [0.011 + 0.001 * place for place in range(best.sum())]
    shown = report(tables).answer().table
    assert list(shown) == ["architectures", "anchors", "best mapping", "error", "zero-shot", "parents"]
    assert shown["architectures"].tolist() == ["another (n = 4)", "", "", "same (n = 2)", "", ""]
    assert shown["anchors"].tolist() == ["10", "50", "200"] * 2
    assert shown["best mapping"].tolist()[1] == shown["best mapping"].tolist()[4] == "affine, λ=0.1"
    wide = report(tables).table
    row = wide.query("architectures == 'another' and mapping == 'affine' and ridge == 0.1 and num_samples == 50")
    assert float(shown["error"][1].split(" ± ")[0]) == pytest.approx(row["mse_stitched_mean"].iloc[0], rel=5e-3)
    assert float(shown["error"][1].split(" ± ")[1]) == pytest.approx(row["mse_stitched_std"].iloc[0], rel=5e-2)
    bare = wide.query("architectures == 'another' and mapping == 'identity' and num_samples == 10")
    assert float(shown["zero-shot"][0]) == pytest.approx(bare["mse_stitched_mean"].iloc[0], rel=5e-3)
    assert float(shown["parents"][0]) == pytest.approx(bare["mse_source"].iloc[0], rel=5e-3)


def test_the_val_split_chooses_and_the_interval_is_over_models():
    tables = with_val(made(pairs=SEEDED), draws=(0, 1, 2))
    rows = tables["results"]
    lucky = (rows["mapping"] == "affine") & (rows["num_samples"] == 50)
    rows.loc[lucky, "mse_stitched"], rows.loc[lucky, "mse_stitched_val"] = 0.001, 0.5  # the best on test alone
    better = (rows["mapping"] == "linear") & (rows["num_samples"] == 50)
    rows.loc[better, "mse_stitched_val"] = 0.01
    found = report(tables).answer()
    assert found.table["best mapping"].tolist()[1].startswith("linear, λ=")
    chosen = report(tables).more["selected"].query("mapping == 'linear' and num_samples == 50").iloc[0]
    mean, ends = found.table["error"][1].split(" [")
    assert float(mean) == pytest.approx(chosen["mse_stitched_mean"], rel=5e-3)
    assert [float(end) for end in ends.rstrip("]").split(", ")] == pytest.approx(
        [chosen["mse_stitched_low"], chosen["mse_stitched_high"]], rel=5e-3
    )
    caption = " ".join(found.caption)
    assert "chosen on val" in caption
    assert "95 % interval over models" in caption
    assert "36 = pairs x 3 draws" in caption
    few = report(with_val(made(pairs=SEEDED[:1] + SEEDED[3:4]))).answer()
    assert "±" in few.table["error"][0]
    assert "interval" not in " ".join(few.caption)


def test_parents_that_differ_and_numbers_of_pairs_that_differ_have_columns():
    tables = made(pairs=(PAIRS[1], PAIRS[3]))
    rows = tables["results"]
    tables["results"] = rows[(rows["num_samples"] != 200) | (rows["source"] == "pcktae_0")]
    shown = report(tables).answer().table
    assert list(shown) == ["anchors", "best mapping", "error", "zero-shot", "source", "target", "n"]
    assert shown["n"].tolist() == ["2", "2", "1"]


def test_the_best_is_the_least_error_and_the_most_accuracy():
    for accuracy, best in ((False, "min"), (True, "max")):
        drawn = report(made(accuracy=accuracy))
        key, word = ("accuracy", "accuracy") if accuracy else ("mse", "error")
        groups = drawn.table.groupby(["architectures", "num_samples"])[f"{key}_stitched_mean"].agg(best)
        found = drawn.answer().table[word].str.split(" ± ").str[0].astype(float)
        assert found.tolist() == pytest.approx(groups.tolist(), rel=5e-3)
        assert f"{'higher' if accuracy else 'lower'} is better" in drawn.answer().caption[0]


def test_the_caption_tells_metric_split_direction_spread_and_choice():
    first, second = report(made()).answer().caption
    assert first == "mean squared error per pixel (test), lower is better; mean ± std over n pairs"
    assert second == "best of 3 mappings and their λ by the mean shown; parents: each by itself"
    assert report(made(pairs=(PAIRS[1], PAIRS[3]))).answer().caption[0].endswith("over 2 pairs")


def test_without_a_baseline_or_a_choice_of_ridge_their_columns_are_left_out():
    assert "zero-shot" not in report(made(mappings=("linear", "affine"))).answer().table
    rigid = report(made(mappings=RIGID)).answer().table
    assert "λ" not in "".join(rigid["best mapping"])
    assert set(rigid["best mapping"]) <= {"zero-shot", "orthogonal"}
    one = report(made(pairs=PAIRS[:1])).answer().table
    assert "architectures" not in one
    assert "±" not in "".join(one["error"])


@pytest.mark.parametrize(
    "many",
    [
        {},
        {"counts": 6},
        {"counts": 40},
        {"samplings": 4},
        {"samplings": 4, "dims": 3, "counts": 9},
        {"architectures": 1, "counts": 12},
        {"architectures": 1, "samplings": 3, "dims": 2},
    ],
)
def test_it_has_at_most_fifteen_lines_of_a_hundred_characters(many):
    tables = varied(**many)
    lines = printed(report(tables).answer())
    assert len(lines) <= Answer.LINES
    assert max(map(len, lines)) <= Answer.COLUMNS, max(lines, key=len)
    shown = report(tables).answer().table
    counts = tables["results"]["num_samples"]
    assert str(counts.max()) in set(shown["anchors"])


def test_that_of_the_demo_goes_into_eighty_columns():
    """The default of a terminal; six numbers of anchors, architectures alike or not, all pairs."""
    lines = printed(report(varied(counts=6, mappings=("kernel", "residual", "identity"))).answer())
    assert len(lines) == Answer.LINES
    assert max(map(len, lines)) <= 80, max(lines, key=len)
