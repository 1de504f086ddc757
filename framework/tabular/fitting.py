"""Fitting any model of a table, and logging what came of it."""

from typing import TYPE_CHECKING

from framework.config import Config
from framework.data.tabular.loading import TableData
from framework.tabular.beginning import Beginning
from framework.tabular.config import MLP, Linear
from framework.tabular.estimators import Predict, fit_estimator
from framework.tabular.scores import PRIMARY, class_scores, predictions, scores
from framework.tabular.training import FOLDER, train_network

if TYPE_CHECKING:
    from framework.tracking.run import Run


def fit_model(
    config: Config, data: TableData, seed: int, run: "Run", device: str, begins: Beginning | None = None
) -> tuple[Predict, dict[str, int]]:
    """The prediction of the model of `config`, fitted on train, and what val has chosen by name: the epoch of a
    network (`best_epoch`), the trees of gradient boosting (`num_trees`). Of a network each epoch is logged; it may
    begin with other weights, those of `begins`.

    Raises:
        ConfigError: a device that is not here.
        TrainingDiverged: a network's loss became NaN or infinite.
    """
    if not isinstance(config, Linear | MLP):
        return fit_estimator(config, data, seed)
    network, epoch = train_network(config, data, seed, run, device, begins)
    return network.predict, {"best_epoch": epoch}


def log_results(whole: Config, data: TableData, predict: Predict, chosen: dict[str, int], run: "Run") -> None:
    """Log the scores of each split, the tables, and of a network the artifact `model` of the config `whole`.

    The summary has `<split>/<metric>` (`scores.METRICS`), `val/score` (the task's first metric, `scores.PRIMARY`,
    of which 1 is the best), what val has chosen, the task, the rows of each split (`rows/<split>`), the number of
    features, and the digest of the table (`data_sha256`). Tables: `predictions` of the test split, and of classes
    `classes`. Models of scikit-learn leave no artifact: they can only be pickled.
    """
    predicted = {split: predict(part.x) for split, part in data.parts.items()}
    found = {
        f"{split}/{name}": value
        for split, part in data.parts.items()
        for name, value in scores(predicted[split], part, data).items()
    }
    if (first := f"val/{PRIMARY[data.task]}") in found:
        found["val/score"] = found[first]
    rows = {f"rows/{split}": len(part) for split, part in data.parts.items()}
    about = {"task": data.task, "num_features": len(data.features), "data_sha256": data.digest}
    run.summarise({**found, **chosen, **rows, **about})
    run.log_table("predictions", predictions(predicted["test"], data.test, data))
    if data.classes:
        run.log_table("classes", class_scores(predicted, data))
    if (run.folder / FOLDER).is_dir():
        run.log_artifact("model", whole, run.folder / FOLDER, metadata={**found, **chosen})
