"""All diagnostics of one encoder, against each by itself."""

import math

import pytest
import torch

from framework.data.vision import load_pixels
from framework.errors import InvalidInput
from framework.ssl.diagnostics.lidar import lidar
from framework.ssl.diagnostics.rankme import rankme
from framework.ssl.training.artifact import load_encoder
from framework.ssl.training.diagnoses import chosen, diagnose, views_for
from framework.ssl.training.plain import distorter_of


def test_each_measure_of_features_and_projections(encoder):
    run, config = encoder
    splits, method = load_pixels(config.data), load_encoder(run.folder / "encoder", config, "last")
    images = chosen(splits.val.images, 20, 0)
    views = views_for(images, distorter_of(config, splits), 0)
    found = diagnose(method, views)
    with torch.no_grad():
        features = torch.stack([method.encode(view) for view in views])
        projections = torch.stack([method.project(feature) for feature in features])
    assert found["features/rankme"] == pytest.approx(rankme(features[0]), rel=1e-5)
    assert found["projections/lidar"] == pytest.approx(lidar(projections), rel=1e-4)
    assert len(found) == 2 * 25
    logged = run.tables["diagnostics"].iloc[-1]
    assert logged["features/rankme"] == pytest.approx(found["features/rankme"], rel=1e-6)
    assert run.rows[-1]["diagnostics/projections/lidar"] == pytest.approx(found["projections/lidar"], rel=1e-6)


def test_images_are_those_of_the_seed():
    images = torch.arange(50).view(50, 1, 1, 1)
    assert torch.equal(chosen(images, 10, 3), chosen(images, 10, 3))
    assert not torch.equal(chosen(images, 10, 3), chosen(images, 10, 4))
    assert len(chosen(images, 99, 0)) == 50
    with pytest.raises(InvalidInput, match="diagnostics_images: is 1; allowed: 2 or more"):
        chosen(images, 1, 0)


def test_an_encoder_that_diverged(encoder):
    run, config = encoder
    method = load_encoder(run.folder / "encoder", config)
    torch.nn.init.constant_(next(method.parameters()), float("nan"))
    found = diagnose(method, torch.rand(2, 6, 1, 8, 8))
    assert all(math.isnan(value) for value in found.values())
