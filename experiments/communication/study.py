"""The work of one run: fetch the pair, map one to the other both ways, fuse or read them, and log everything.

One table, `communication`, with a row for each number:

    first, second      the identities of the two networks;   group   that of what they share
    dataset, model, epochs, shared_epochs                     the same in words
    direction          there (from the first to the second), back, or nothing
    unit               the layer that is mapped, `features`, or `network`
    method             the map, the alignment, or the network
    split, metric, value
    ridge              the λ of a map that was chosen on val, as its config has it
    dim, num_samples   units of the layer that is mapped into, and images that the map was fitted on
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from experiments.communication.config import (
    Classifiers,
    CommunicationConfig,
    Encoders,
    few_samples,
    group_of,
    setting_of,
)
from experiments.communication.fused import fused_rows
from experiments.communication.layers import hidden_layers, latents_of
from experiments.communication.maps import fit_all, samples
from experiments.communication.names import FEATURES, NETWORK, TABLE
from framework.data.vision import load_splits
from framework.errors import InvalidInput, Problem
from framework.metrics.unexplained import UNEXPLAINED
from framework.training.checkpoints import load_model
from framework.training.trainer import resolve_device

if TYPE_CHECKING:
    from framework.tracking.run import Run

THERE, BACK = "there", "back"
Rows = list[dict[str, Any]]


def communication_study(config: CommunicationConfig, run: "Run") -> None:
    """Map, fuse or read, and log one pair.

    Raises:
        ArtifactError: a network cannot be had.
        InvalidInput: layers that are not there or have more units than there are samples, or that cannot be
            mapped; an alignment that cannot be carried out.
        DataUnavailable: the data set is not there.
    """
    subject = config.subject
    if isinstance(subject, Encoders):
        rows, made = _encoders(config, subject, run), [mapping.label for mapping in config.mappings]
    else:
        rows, made = _classifiers(config, subject, run), [alignment.kind for alignment in subject.alignments]
    pair = {"first": subject.first.config_id, "second": subject.second.config_id, "group": group_of(config)}
    frame = pd.DataFrame(rows)
    about = {**pair, "subject": subject.kind, **setting_of(config)}
    run.log_table(TABLE, pd.DataFrame(about, index=frame.index).join(frame))
    run.summarise(_summary(frame, made))


def _classifiers(config: CommunicationConfig, subject: Classifiers, run: "Run") -> Rows:
    first, second = (
        load_model(run.require("model", parent), parent) for parent in (subject.first, subject.second)
    )
    splits, device = load_splits(subject.data), resolve_device(config.device)
    layers = hidden_layers(first, splits.image_shape, subject.layers)
    problems = [
        Problem("num_samples", few_samples(config.num_samples, f"the layer {name}", units))
        for name, units in layers.items()
        if config.num_samples <= units
    ]
    if problems:
        raise InvalidInput(problems, "communication")
    drawn_S = samples(len(splits.train), config.num_samples, config.samples_seed)
    rows: Rows = []
    for layer in layers:
        latents = [latents_of(model, layer, splits, device) for model in (first, second)]
        for direction, (source, target) in {THERE: latents, BACK: latents[::-1]}.items():
            where = f"layer {layer}, {direction}"
            for fitted in fit_all(source, target, config.mappings, drawn_S, config.samples_seed, where):
                about = {"direction": direction, "unit": layer, "method": fitted.label, "metric": UNEXPLAINED.name}
                size = {"ridge": fitted.ridge, "dim": fitted.map.target_dim, "num_samples": len(drawn_S)}
                rows += [{**about, "split": s, "value": error, **size} for s, error in fitted.errors.items()]
    inputs_S = samples(len(splits.train), subject.num_inputs, config.samples_seed)
    found = fused_rows(subject, first, second, splits, inputs_S, device)
    return rows + [{"direction": "", "unit": NETWORK, **row} for row in found]


def _encoders(config: CommunicationConfig, subject: Encoders, run: "Run") -> Rows:
    from experiments.communication.carried import carried_rows, load_side  # lightly, for encoders alone

    sides = [
        load_side(run.require("probe", side), run.require("encoder", side.encoder), side)
        for side in (subject.first, subject.second)
    ]
    splits, dim = load_splits(subject.data), sides[0].model.latent_dim
    if config.num_samples <= dim:
        message = few_samples(config.num_samples, "the encoder", dim)
        raise InvalidInput([Problem("num_samples", message)], "communication")
    drawn_S = samples(len(splits.train), config.num_samples, config.samples_seed)
    size = {"dim": dim, "num_samples": len(drawn_S)}
    rows: Rows = []
    for direction, (source, target) in {THERE: sides, BACK: sides[::-1]}.items():
        found = carried_rows(source, target, splits, config.mappings, drawn_S, config.samples_seed)
        rows += [{"direction": direction, "unit": FEATURES, **row, **size} for row in found]
    return rows


def _summary(frame: pd.DataFrame, made: Sequence[str]) -> dict[str, float]:
    """Means over both directions: `<unit>/<method>/<metric>_<split>`, and `accuracy_val`.

    That is the best accuracy on val of what was `made`: fused networks, or maps into a probe.
    """
    means = frame.groupby(["unit", "method", "metric", "split"], sort=False)["value"].mean().reset_index()
    names = means["unit"] + "/" + means["method"] + "/" + means["metric"] + "_" + means["split"]
    found = dict(zip(names, means["value"].astype(float), strict=True))
    on_val = frame[(frame["metric"] == "accuracy") & (frame["split"] == "val") & frame["method"].isin(made)]
    return {**found, "accuracy_val": float(on_val.groupby("method")["value"].mean().max())}
