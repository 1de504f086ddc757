import json
import sys
from subprocess import run

import numpy as np
import pytest
import torch

from framework.errors import ArtifactError, ConfigError, InvalidInput
from framework.mappings import METHODS, Mapping, fit_path

RNG = np.random.default_rng(0)
SOURCE, TARGET = RNG.normal(size=(50, 6)), RNG.normal(size=(50, 4)) + 3


@pytest.mark.parametrize("method", METHODS)
def test_a_fitted_mapping_is_a_module_from_one_space_into_the_other(method):
    mapping = METHODS[method](ridge=0.1).fit(SOURCE, TARGET)
    assert (mapping.kind, mapping.source_dim, mapping.target_dim) == (method, 6, 4)
    assert not mapping.training
    z = torch.randn(9, 6)
    assert mapping(z).shape == (9, 4)
    torch.testing.assert_close(mapping(z[:1])[0], mapping(z)[0])


def test_affine_beats_linear_by_its_bias():
    def error(method):
        mapped = METHODS[method]().fit(SOURCE, TARGET)(torch.tensor(SOURCE, dtype=torch.float32))
        return float((mapped - torch.tensor(TARGET)).square().mean())

    assert error("affine") < 0.2 * error("linear")


def test_affine_recovers_weight_and_bias_and_linear_has_none():
    weight, bias = RNG.normal(size=(4, 6)), RNG.normal(size=4)
    affine = METHODS["affine"]().fit(SOURCE, SOURCE @ weight.T + bias)
    np.testing.assert_allclose(affine.weight, weight, atol=1e-5)
    np.testing.assert_allclose(affine.bias, bias, atol=1e-5)
    linear = METHODS["linear"]().fit(SOURCE, SOURCE @ weight.T)
    np.testing.assert_allclose(linear.weight, weight, atol=1e-5)
    assert set(linear.state_dict()) == {"weight"}


@pytest.mark.parametrize("method", METHODS)
def test_a_path_equals_one_fit_a_ridge_and_accepts_tensors(method):
    ridges = [0.0, 0.5, 20.0]
    path = fit_path(method, torch.tensor(SOURCE), torch.tensor(TARGET), ridges)
    for ridge, mapping in zip(ridges, path, strict=True):
        alone = METHODS[method](ridge=ridge).fit(SOURCE, TARGET)
        for name, numbers in alone.state_dict().items():
            torch.testing.assert_close(mapping.state_dict()[name], numbers)


@pytest.mark.parametrize("method", METHODS)
def test_saved_and_loaded_is_the_same_without_pickles(method, tmp_path):
    mapping = METHODS[method](ridge=0.1).fit(SOURCE, TARGET)
    mapping.save(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mapping.json", "mapping.safetensors"]
    again = Mapping.load(tmp_path)
    assert type(again) is type(mapping)
    assert not again.training
    z = torch.randn(5, 6)
    assert torch.equal(mapping(z), again(z))


def test_a_folder_without_a_mapping_and_an_unknown_kind_are_refused(tmp_path):
    with pytest.raises(ArtifactError, match="holds no mapping"):
        Mapping.load(tmp_path)
    METHODS["linear"]().fit(SOURCE, TARGET).save(tmp_path)
    sizes = json.loads((tmp_path / "mapping.json").read_text())
    (tmp_path / "mapping.json").write_text(json.dumps(sizes | {"kind": "affine"}))
    with pytest.raises(ArtifactError, match="not the numbers of a affine mapping"):
        Mapping.load(tmp_path)
    (tmp_path / "mapping.json").write_text(json.dumps(sizes | {"kind": "spline"}))
    with pytest.raises(ArtifactError, match="'spline' is unknown here; known: linear, affine"):
        Mapping.load(tmp_path)


def test_an_unknown_method_and_bad_latents_are_refused():
    with pytest.raises(ConfigError, match="'spline'; allowed: linear, affine"):
        fit_path("spline", SOURCE, TARGET, [0.0])
    with pytest.raises(InvalidInput, match="z_source"):
        METHODS["affine"]().fit(SOURCE * np.nan, TARGET)
    with pytest.raises(InvalidInput, match="has 49 samples"):
        METHODS["linear"]().fit(SOURCE, TARGET[1:])


def test_the_package_alone_brings_no_torch():
    code = "import framework.mappings, sys; assert 'torch' not in sys.modules; framework.mappings.METHODS"
    run([sys.executable, "-c", code], check=True)
    import framework.mappings

    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        framework.mappings.nothing  # noqa: B018
