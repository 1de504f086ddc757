"""Figures at an interval, and files that nothing overwrites."""

import pytest

from framework.multitask.callbacks.figures import FOLDER, FitFigures
from framework.multitask.training.train import train_tasks
from tests.framework.fakes import FakeRun
from tests.framework.multitask.training.test_train import config


@pytest.mark.parametrize(("every", "epochs"), [(1, [1, 2, 3]), (2, [2, 3]), (None, [3]), (5, [3])])
def test_one_a_task_and_output_at_every_interval(tmp_path, every: int | None, epochs: list[int]):
    own, run = config(max_epochs=3), FakeRun(tmp_path / "run")
    train_tasks([own], [run], lambda runs, samples: [FitFigures(runs, samples, every)])
    stems = ["task_0_output_0", *[f"task_1_output_{output}" for output in range(1, 7)]]
    names = sorted(path.name for path in (run.folder / FOLDER).iterdir())
    assert names == sorted(f"{stem}_epoch_{epoch}.pdf" for stem in stems for epoch in epochs)
    assert set(run.figures) == {f"val/{stem}" for stem in stems}
    assert (run.folder / FOLDER / names[0]).read_bytes().startswith(b"%PDF")


def test_a_figure_has_what_was_trained_on_the_truth_and_the_prediction(tmp_path):
    run = FakeRun(tmp_path / "run")
    train_tasks([config(max_epochs=1)], [run], lambda runs, samples: [FitFigures(runs, samples, None)])
    (axes,) = run.figures["val/task_0_output_0"].axes
    lines = {line.get_label(): line for line in axes.get_lines()}
    assert set(lines) == {"train", "truth", "prediction"}
    assert len(lines["train"].get_xdata()) == 20
    assert len(lines["truth"].get_xdata()) == 16
    assert list(lines["truth"].get_ydata()) != list(lines["prediction"].get_ydata())


def test_every_member_has_its_own(tmp_path):
    runs = [FakeRun(tmp_path / str(number)) for number in range(2)]
    train_tasks(
        [config(seed=seed, max_epochs=1) for seed in range(2)], runs,
        lambda runs, samples: [FitFigures(runs, samples, None)],
    )  # fmt: skip
    first, second = (run.figures["val/task_0_output_0"].axes[0].get_lines()[2].get_ydata() for run in runs)
    assert list(first) != list(second)
