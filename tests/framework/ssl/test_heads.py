import pytest
import torch
from lightly.models.modules import heads as lightly_heads
from torch import nn

from framework.ssl.config import CONFIGS
from framework.ssl.heads import prediction_head, projection_head
from framework.ssl.parts import Predictor

D = 9


def layers(head):
    """What a head is made of, without its numbers."""
    return [(type(layer).__name__, str(layer)) for layer in head.layers]


# lightly's head, and ours with the same widths.
SAME = [
    (lightly_heads.BYOLProjectionHead(D, 8, 5), "byol", {"hidden": [8], "output": 5}),
    (lightly_heads.MoCoProjectionHead(D, 8, 5), "moco", {"hidden": [8], "output": 5}),
    (lightly_heads.SimCLRProjectionHead(D, 8, 5, num_layers=3), "simclr", {"hidden": [8, 8], "output": 5}),
    (lightly_heads.SimSiamProjectionHead(D, 8, 5), "simsiam", {"hidden": [8, 8], "output": 5}),
    (lightly_heads.BarlowTwinsProjectionHead(D, 8, 5), "barlow_twins", {"hidden": [8, 8], "output": 5}),
    (lightly_heads.LeJEPAProjectionHead(D, 8, 5), "lejepa", {"hidden": [8, 8], "output": 5}),
]


@pytest.mark.parametrize(("theirs", "kind", "widths"), SAME, ids=[kind for _, kind, _ in SAME])
def test_heads_are_those_of_lightly(theirs, kind, widths):
    ours = projection_head(CONFIGS[kind].parse({"projection": widths}), D)
    assert layers(ours) == layers(theirs)
    ours.load_state_dict(theirs.state_dict())
    x = torch.rand(4, D)
    torch.testing.assert_close(ours(x), theirs(x))


def test_the_prediction_head_is_that_of_lightly():
    assert layers(prediction_head(Predictor(hidden=(8,)), 5)) == layers(
        lightly_heads.SimSiamPredictionHead(5, 8, 5)
    )


# Widths of the table for 512 features: linear layers, and whether normalisation and ReLU follow.
TABLE = {
    "byol": ["512-1024 BN ReLU", "1024-256"],
    "barlow_twins": ["512-2048 BN ReLU", "2048-2048"],
    "vicreg": ["512-2048 BN ReLU", "2048-2048 BN"],
    "simclr": ["512-512 BN ReLU"] * 4 + ["512-128 BN"],
    "dcl": ["512-512 BN ReLU"] * 4 + ["512-128 BN"],
    "moco": ["512-512 ReLU", "512-128"],
    "simsiam": ["512-2048 BN ReLU", "2048-2048 BN"],
    "fastsiam": ["512-2048 BN ReLU", "2048-2048 BN"],
}


def words(head):
    found = []
    for layer in head.layers:
        if isinstance(layer, nn.Linear):
            found.append(f"{layer.in_features}-{layer.out_features}")
        else:
            found[-1] += " BN" if isinstance(layer, nn.BatchNorm1d) else " ReLU"
    return found


@pytest.mark.parametrize("kind", TABLE)
def test_heads_are_those_of_the_table(kind):
    assert words(projection_head(CONFIGS[kind](), 512)) == TABLE[kind]


@pytest.mark.parametrize(("kind", "expected"), [("byol", "256-1024 1024-256"), ("simsiam", "2048-512 512-2048")])
def test_predictors_are_those_of_the_table(kind, expected):
    config = CONFIGS[kind]()
    first, second = expected.split()
    assert words(prediction_head(config.predictor, config.projection.output)) == [f"{first} BN ReLU", second]


def test_a_linear_head_is_one_layer_with_bias():
    head = projection_head(CONFIGS["vicreg"].parse({"projection": "linear"}), D)
    (layer,) = head.layers
    assert layer.weight.shape == (2048, D)
    assert layer.bias is not None


def test_a_predictor_without_hidden_layers_is_linear():
    assert words(prediction_head(Predictor(hidden=()), 5)) == ["5-5"]
