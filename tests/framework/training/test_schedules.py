import math
from types import SimpleNamespace

import pytest

from framework.errors import ConfigError
from framework.grid import Grid, choice, zipped
from framework.layers import resolve
from framework.plan import plan
from framework.training.callbacks.patience import Patience, is_last
from framework.training.config import TrainingConfig
from framework.training.optimizers import rate_factor
from tests.framework.training.conftest import small_kind, train

HALF = 0.5 * (1 + math.cos(math.pi / 4))
TRACES = [
    ({}, [1, 1, 1, 1, 1]),
    ({"warmup_epochs": 3}, [1 / 4, 2 / 4, 3 / 4, 1, 1]),
    ({"schedule": "linear"}, [1, 4 / 5, 3 / 5, 2 / 5, 1 / 5]),
    ({"schedule": "linear", "warmup_epochs": 1}, [1 / 2, 1, 3 / 4, 2 / 4, 1 / 4]),
    ({"schedule": "cosine"}, [0.5 * (1 + math.cos(math.pi * epoch / 5)) for epoch in range(5)]),
    ({"schedule": "cosine", "warmup_epochs": 1}, [1 / 2, 1, HALF, 1 / 2, 1 - HALF]),
    ({"schedule": "multistep", "milestones": [2, 4]}, [1, 1, 0.1, 0.1, 0.01]),
    ({"schedule": "multistep", "milestones": [1, 2, 3], "gamma": 0.5}, [1, 1 / 2, 1 / 4, 1 / 8, 1 / 8]),
    ({"schedule": "multistep", "milestones": [3], "warmup_epochs": 2}, [1 / 3, 2 / 3, 1, 0.1, 0.1]),
]


@pytest.mark.parametrize(("changes", "trace"), TRACES, ids=[str(changes) for changes, _ in TRACES])
def test_the_learning_rate_of_each_epoch_is_that_of_the_formula(changes, trace, tmp_path):
    config = small_kind("mlp_autoencoder", max_epochs=5, learning_rate=0.008, **changes)
    run = train(tmp_path, config)
    assert [row["learning_rate"] for row in run.rows] == pytest.approx([0.008 * factor for factor in trace])
    assert [rate_factor(config, epoch) for epoch in range(5)] == pytest.approx(trace)


@pytest.mark.parametrize("optimizer", [{"kind": "sgd"}, {"kind": "lars"}])
def test_every_optimiser_follows_the_schedule(optimizer, tmp_path):
    config = small_kind("mlp", max_epochs=2, schedule="linear", optimizer=optimizer, weight_decay=1e-6)
    assert [row["learning_rate"] for row in train(tmp_path, config).rows] == pytest.approx([0.002, 0.001])


def test_falling_schedules_come_to_zero_when_the_last_epoch_is_over():
    for schedule in ("linear", "cosine"):
        config = TrainingConfig(schedule=schedule, max_epochs=7, warmup_epochs=2)
        factors = [rate_factor(config, epoch) for epoch in range(8)]
        assert factors[2] == 1
        assert factors[2:] == sorted(factors[2:], reverse=True)
        assert factors[6] > factors[7] == pytest.approx(0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schedule": "step"}, "schedule: is 'step'; allowed: 'constant', 'linear', 'cosine' or 'multistep'"),
        (
            {"schedule": "multistep"},
            r"milestones is \[\]; allowed .* above warmup_epochs \(0\) and below max_epochs",
        ),
        (
            {"schedule": "multistep", "milestones": [12, 30]},
            r"milestones is \[12, 30\]; .* below max_epochs \(30\)",
        ),
        ({"schedule": "multistep", "milestones": [5, 3]}, r"milestones is \[5, 3\]; allowed .* ascending order"),
        ({"schedule": "multistep", "milestones": [3, 3]}, r"milestones is \[3, 3\]; allowed .* ascending order"),
        (
            {"schedule": "multistep", "milestones": [2], "warmup_epochs": 2},
            r"milestones is \[2\]; allowed .* above warmup_epochs \(2\)",
        ),
        ({"schedule": "multistep", "milestones": [0, 2]}, r"milestones\.0: is 0 .*greater than or equal to 1"),
        ({"schedule": "multistep", "milestones": [2], "gamma": 1.0}, r"gamma: is 1\.0 .*less than 1"),
        ({"milestones": [4]}, r"milestones \(\(4,\)\) would not be read by schedule=constant; .*multistep"),
        ({"schedule": "cosine", "gamma": 0.5}, r"gamma \(0\.5\) would not be read by schedule=cosine"),
        ({"max_epochs": 3, "warmup_epochs": 3}, r"warmup_epochs is 3; allowed: below max_epochs \(3\)"),
        ({"early_stopping": 0}, "early_stopping: is 0 .*greater than or equal to 1"),
        ({"augment": "mixup"}, "augment: is 'mixup'; allowed: 'none' or 'flip_crop'"),
    ],
)
def test_what_a_schedule_does_not_read_or_cannot_meet_is_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        TrainingConfig.parse(changes)


def test_schedules_in_files_and_grids(tmp_path):
    path = tmp_path / "training.yaml"
    path.write_text(
        "schedule: multistep\nmilestones: [12, 20, 25, 28]\noptimizer: {kind: sgd}\nlearning_rate: 5e-2\n"
    )
    config = resolve(TrainingConfig, [path]).config
    assert (config.milestones, config.optimizer.momentum, config.learning_rate) == ((12, 20, 25, 28), 0.9, 0.05)
    path.write_text("schedule: linear\n")
    assert resolve(TrainingConfig, [path]).config == TrainingConfig(schedule="linear")
    grid = Grid(
        TrainingConfig,
        zipped({"schedule": ["linear", "multistep"], "milestones": [[], [10, 20]]}),
        choice("warmup_epochs", [0, 2]),
    )
    points = plan(TrainingConfig, grid.definition("schedules", "stitching"))
    assert [(point.config.schedule, len(point.config.milestones)) for point in points].count(("multistep", 2)) == 2
    assert len({point.config.config_id for point in points}) == 4


def signalled(patience, errors, **trainer):
    """The epochs, counted from 1, after which `patience` asks for the end."""
    state = SimpleNamespace(max_epochs=100, min_epochs=None, should_stop=False, current_epoch=0)
    vars(state).update(trainer)
    for state.current_epoch, patience.losses.val in enumerate(errors):
        patience.on_train_epoch_end(state, None)
        if state.should_stop:
            return state.current_epoch + 1
    return None


@pytest.mark.parametrize(
    ("epochs", "errors", "expected"),
    [
        (1, [3, 2, 2, 1], 3),
        (2, [3, 2, 2.5, 1, 1.1, 1.2, 1.3], 6),
        (3, [5, 4, 3, 2, 1], None),
        (2, [3, None, 4, None, 2], 3),
        (1, [3, None, None, 2], None),
        (2, [1, float("nan"), 2], 3),
    ],
)
def test_training_stops_after_so_many_epochs_without_a_smaller_error(epochs, errors, expected):
    assert signalled(Patience(SimpleNamespace(val=None), epochs), errors) == expected


def test_the_trainers_min_epochs_pass_first():
    assert signalled(Patience(SimpleNamespace(val=None), 1), [1, 2, 3, 4, 5, 6], min_epochs=5) == 5


def test_a_run_that_gets_no_better_stops_with_all_that_belongs_to_an_end(tmp_path):
    # Steps that float32 does not see: every epoch has the first one's error.
    config = small_kind(
        "mlp_autoencoder", learning_rate=1e-12, max_epochs=20, early_stopping=2, reconstructions_every=2
    )
    run = train(tmp_path, config)
    assert [row["epoch"] for row in run.rows] == [1, 2, 3]
    assert run.summary["best_epoch"] == 1
    assert (run.folder / "model" / "last.safetensors").is_file()
    assert [caption.split(":")[0] for _, caption in run.images["reconstructions"]] == ["epoch 2", "epoch 3"]


def test_a_run_that_gets_better_goes_on(tmp_path):
    run = train(tmp_path, small_kind("mlp_autoencoder", max_epochs=4, early_stopping=1))
    assert len(run.rows) == 4


@pytest.mark.parametrize(("stop", "epoch", "last"), [(False, 3, False), (False, 4, True), (True, 1, True)])
def test_the_last_epoch(stop, epoch, last):
    assert is_last(SimpleNamespace(should_stop=stop, current_epoch=epoch, max_epochs=5)) is last
