"""What holds for every method."""

import json
import math
import pickle
import sys
from subprocess import run

import numpy as np
import pytest
import torch

from framework.errors import ArtifactError, ConfigError, InvalidInput
from framework.mappings import (
    METHODS,
    MappingWarning,
    Method,
    fit_grid,
    fit_path,
    load_mapping,
    mapping_of,
)

NAMES = [
    *("linear", "affine", "decouple", "decouple_affine", "mlp", "residual", "kernel"),
    *("orthogonal", "permutation", "relative", "identity"),
]
SIZES = {
    "orthogonal": (4, 6),
    "permutation": (5, 5),
    "identity": (5, 5),
    "decouple": (4, 6),
    "decouple_affine": (4, 6),
}
LINEAR = {"linear", "affine", "decouple", "decouple_affine", "orthogonal", "permutation", "identity"}
WITHOUT_RIDGE = {"orthogonal", "permutation", "relative", "identity"}
QUICK = {"mlp": {"hidden": 8, "epochs": 12}, "residual": {"hidden": 8, "epochs": 12}}


def latents(name, n=50, seed=0):
    rng = np.random.default_rng(seed)
    source_dim, target_dim = SIZES.get(name, (6, 4))
    return rng.normal(size=(n, source_dim)), rng.normal(size=(n, target_dim)) + 3


def method(name, **options):
    return METHODS[name](**QUICK.get(name, {}), **options)


def ridges(name):
    return [0.0] if name in WITHOUT_RIDGE else [20.0, 0.0, 0.5]


def same(one, other):
    assert type(one) is type(other)
    assert one.state_dict().keys() == other.state_dict().keys()
    for key, numbers in one.state_dict().items():
        torch.testing.assert_close(other.state_dict()[key], numbers)


def test_the_methods_and_their_kinds():
    assert list(METHODS) == NAMES
    assert [each.mapping.kind for each in METHODS.values()] == NAMES
    assert {name for name, each in METHODS.items() if not each.uses_ridge} == WITHOUT_RIDGE


@pytest.mark.parametrize("name", METHODS)
def test_a_fitted_mapping_is_a_module_from_one_space_into_the_other(name):
    source, target = latents(name)
    mapping = method(name, ridge=0.0 if name in WITHOUT_RIDGE else 0.1).fit(source, target)
    assert (mapping.kind, mapping.source_dim, mapping.target_dim) == (name, source.shape[1], target.shape[1])
    z = torch.randn(9, source.shape[1])
    assert mapping(z).shape == (9, target.shape[1])
    assert mapping(z).dtype == torch.float32
    torch.testing.assert_close(mapping(z[:1])[0], mapping(z)[0])


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("kind", [torch.ones, np.ones])
def test_latents_of_another_shape_are_refused_and_not_spread(name, kind):
    source, target = latents(name)
    mapping = method(name).fit(source, target)
    for shape in ((3, 1), (3, source.shape[1] + 2), (source.shape[1],), (2, 3, source.shape[1]), ()):
        with pytest.raises(InvalidInput, match=r"z_source: has the shape .*; allowed: \(samples, "):
            mapping(kind(shape))


@pytest.mark.parametrize("name", METHODS)
def test_nothing_in_it_can_be_trained_and_it_stays_in_eval_mode(name):
    mapping = method(name).fit(*latents(name))
    assert not list(mapping.parameters())
    assert {numbers.dtype for numbers in mapping.buffers()} <= {torch.float32}
    around = torch.nn.Sequential(mapping).train()
    assert around.training
    assert not any(module.training for module in mapping.modules())


@pytest.mark.parametrize("name", METHODS)
def test_a_path_equals_one_fit_a_ridge_and_accepts_tensors(name):
    source, target = latents(name)
    path = method(name).fit_path(torch.tensor(source), torch.tensor(target), ridges(name))
    assert len(path) == len(ridges(name))
    for ridge, mapping in zip(ridges(name), path, strict=True):
        same(mapping, method(name, ridge=ridge).fit(source, target))


@pytest.mark.parametrize("name", METHODS)
def test_a_grid_equals_one_path_a_pair(name):
    pairs = [latents(name, n, seed) for n, seed in ((12, 0), (7, 1), (40, 2), (7, 3))]
    grid = method(name).fit_grid(pairs, ridges(name))
    assert [len(path) for path in grid] == [len(ridges(name))] * 4
    for pair, path in zip(pairs, grid, strict=True):
        for one, other in zip(path, method(name).fit_path(*pair, ridges(name)), strict=True):
            same(one, other)
    assert method(name).fit_grid([], ridges(name)) == []


def test_the_functions_take_a_method_by_name_with_its_options():
    source, target = latents("kernel")
    (path,) = fit_grid("kernel", [(source, target)], [0.1, 1.0], gamma=0.3)
    for one, other in zip(path, fit_path("kernel", source, target, [0.1, 1.0], gamma=0.3), strict=True):
        same(one, other)
    assert path[0].gamma == pytest.approx(0.3)
    with pytest.raises(InvalidInput, match="ridge: is no option here: give `ridges`"):
        fit_path("kernel", source, target, [0.1], ridge=0.3)


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("n", [1, 2, 3])
def test_a_few_samples_are_enough(name, n):
    source, target = latents(name, n)
    mapping = method(name).fit(source, target)
    assert torch.isfinite(mapping(torch.tensor(source, dtype=torch.float32))).all()


@pytest.mark.parametrize("name", METHODS)
def test_saved_and_loaded_is_the_same_without_pickles(name, tmp_path, monkeypatch):
    monkeypatch.setattr(pickle, "load", None)
    mapping = method(name).fit(*latents(name))
    mapping.save(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mapping.json", "mapping.safetensors"]
    again = load_mapping(tmp_path)
    assert type(again) is type(mapping)
    assert not again.training
    z = torch.randn(5, mapping.source_dim)
    assert torch.equal(mapping(z), again(z))


@pytest.mark.parametrize("name", METHODS)
def test_it_is_built_again_from_its_numbers_and_sizes(name):
    mapping = method(name).fit(*latents(name))
    same(mapping, mapping_of(name, mapping.state_dict(), mapping.source_dim, mapping.target_dim))


@pytest.mark.parametrize("name", sorted(set(METHODS) - {"identity"}))
def test_numbers_of_another_shape_than_the_file_of_sizes_says_are_refused(name, tmp_path):
    mapping = method(name).fit(*latents(name))
    mapping.save(tmp_path)
    sizes = json.loads((tmp_path / "mapping.json").read_text())
    (tmp_path / "mapping.json").write_text(json.dumps(sizes | {"target_dim": 9}))
    with pytest.raises(ArtifactError) as caught:
        load_mapping(tmp_path)
    message = str(caught.value)
    assert "mapping.safetensors is not what mapping.json says" in message
    assert f"from {mapping.source_dim} to 9 dimensions" in message
    assert f"{mapping.target_dim}" in message.split("has the shape")[1]


def test_what_is_no_mapping_is_not_loaded(tmp_path):
    with pytest.raises(ArtifactError, match="holds no mapping"):
        load_mapping(tmp_path)
    method("linear").fit(*latents("linear")).save(tmp_path)
    sizes = json.loads((tmp_path / "mapping.json").read_text())
    (tmp_path / "mapping.json").write_text(json.dumps(sizes | {"kind": "affine"}))
    with pytest.raises(ArtifactError, match=r"not the numbers of the mapping 'affine' .*: source_mean is missing"):
        load_mapping(tmp_path)
    (tmp_path / "mapping.json").write_text(json.dumps(sizes | {"kind": "spline"}))
    with pytest.raises(ArtifactError, match="'spline' is unknown here; known: linear, affine"):
        load_mapping(tmp_path)
    (tmp_path / "mapping.json").write_text('{"kind": "linear"}')
    with pytest.raises(ArtifactError, match=r"mapping\.json lacks 'source_dim'"):
        load_mapping(tmp_path)
    (tmp_path / "mapping.json").write_text("{")
    with pytest.raises(ArtifactError, match="a broken mapping"):
        load_mapping(tmp_path)


@pytest.mark.parametrize("name", ["mlp", "residual", "kernel"])
def test_numbers_that_lack_a_part_are_refused(name):
    mapping = method(name).fit(*latents(name))
    for key in mapping.state_dict().keys() - {"origin"}:  # which those that were saved before there was one lack
        numbers = {other: tensor for other, tensor in mapping.state_dict().items() if other != key}
        with pytest.raises(ArtifactError, match="not the numbers of the mapping"):
            mapping_of(name, numbers, mapping.source_dim, mapping.target_dim)
    numbers = mapping.state_dict() | {"surplus": torch.zeros(1)}
    with pytest.raises(ArtifactError, match="surplus is unknown"):
        mapping_of(name, numbers, mapping.source_dim, mapping.target_dim)


@pytest.mark.parametrize("name", METHODS)
def test_linear_and_affine_mappings_have_a_matrix_and_singular_values(name):
    mapping = method(name).fit(*latents(name))
    matrix, values = mapping.matrix, mapping.singular_values()
    if name not in LINEAR:
        assert matrix is None
        assert values is None
        return
    first, second = torch.randn(2, mapping.source_dim)
    torch.testing.assert_close(matrix @ (first - second), (mapping(first[None]) - mapping(second[None]))[0])
    assert values.shape == (min(matrix.shape),)
    np.testing.assert_allclose(values, np.linalg.svd(matrix.numpy(), compute_uv=False), atol=1e-5)


@pytest.mark.parametrize("name", METHODS)
def test_everything_wrong_with_the_latents_comes_together(name):
    source, target = latents(name)
    bad = target.copy()
    bad[3, 1] = np.nan
    with pytest.raises(InvalidInput) as caught:
        method(name).fit(np.zeros_like(source), bad)
    message = str(caught.value)
    assert "z_source: all 50 samples are equal: has the encoder collapsed?" in message
    assert "z_target: 1 of 50 samples hold NaN or infinite values: has the encoder diverged?" in message
    with pytest.raises(InvalidInput, match="z_target: has 49 samples where z_source has 50; they must be pairs"):
        method(name).fit(source, target[1:])
    with pytest.raises(InvalidInput, match="z_target: all 50 samples are equal"):
        method(name).fit(source, np.ones_like(target))


@pytest.mark.parametrize("name", METHODS)
def test_everything_wrong_with_a_grid_comes_together(name):
    source, target = latents(name)
    with pytest.raises(InvalidInput) as caught:
        method(name).fit_grid([(source, target), (source * np.inf, target), (source, target[:4])], [-1.0, np.nan])
    assert [problem.key for problem in caught.value.problems] == [
        "ridge",
        "pairs[1].z_source",
        "pairs[2].z_target",
    ]


@pytest.mark.parametrize("name", METHODS)
def test_ridges_that_mean_nothing_are_refused(name):
    source, target = latents(name)
    for wrong in ([], [-0.1], [0.0, np.nan], [np.inf]):
        with pytest.raises(InvalidInput, match=r"ridge: .*allowed"):
            method(name).fit_path(source, target, wrong)
    with pytest.raises(InvalidInput, match=r"ridge: is \[-1.0\]; allowed"):
        method(name, ridge=-1)
    if name in WITHOUT_RIDGE:
        with pytest.raises(InvalidInput, match=rf"ridge: is \[0.1\]; {name} has no λ: give 0 or leave it out"):
            method(name, ridge=0.1)
        with pytest.raises(InvalidInput, match=rf"ridge: is \[0.0, 0.1\]; {name} has no λ"):
            method(name).fit_path(source, target, [0, 0.1])


@pytest.mark.parametrize("name", METHODS)
def test_an_option_that_it_has_not_is_refused_with_the_nearest(name):
    with pytest.raises(InvalidInput, match=f"rigde: {name} has no such option; did you mean `ridge`?"):
        METHODS[name](rigde=0.1)


def test_an_unknown_method_is_refused():
    with pytest.raises(ConfigError, match="'spline'; did you mean `linear`"):
        fit_path("spline", *latents("linear"), [0.0])
    with pytest.raises(ConfigError, match="'spline'; did you mean `linear`"):
        fit_grid("spline", [], [0.0])


def test_one_size_problem_of_many_pairs_is_told_once_and_beside_others():
    pairs = [(np.eye(4)[:n], np.eye(4, 3)[:n]) for n in (2, 3, 4)]
    with pytest.raises(InvalidInput) as caught:
        fit_grid("identity", pairs, [0.1])
    assert [problem.key for problem in caught.value.problems] == ["ridge", "z_target"]


def test_notes_are_warnings_of_a_single_fit_only():
    class Noted(METHODS["linear"]):
        @classmethod
        def notes(cls, source_dim, target_dim):
            return [f"{source_dim} > {target_dim}"]

    with pytest.warns(MappingWarning, match="6 > 4") as caught:
        Noted().fit(*latents("linear"))
    assert caught[0].filename == __file__
    Noted().fit_path(*latents("linear"), [0.0])
    Noted().fit_grid([latents("linear")], [0.0])
    assert all(each.notes(4, 6) == [] for each in METHODS.values())
    assert issubclass(Noted, Method)


def test_the_package_alone_brings_no_torch():
    code = (
        "import framework.mappings, framework.mappings.config, sys\n"
        "assert not {'torch', 'numpy'} & sys.modules.keys()\nframework.mappings.METHODS"
    )
    run([sys.executable, "-c", code], check=True)
    import framework.mappings

    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        framework.mappings.nothing  # noqa: B018


def test_an_unknown_method_is_told_with_the_nearest():
    with pytest.raises(ConfigError, match=r"'afine'.*affine"):
        METHODS["afine"]
    assert METHODS.get("afine") is None
    assert "afine" not in METHODS


@pytest.mark.parametrize("ridge", ["auto", None, [0.1, 0.2], True, math.nan, -1])
def test_what_is_no_ridge_is_refused_in_words(ridge):
    with pytest.raises(InvalidInput, match=r"ridge: is .*; allowed: finite numbers ≥ 0"):
        METHODS["affine"](ridge)


def test_auto_is_no_list_of_ridges():
    with pytest.raises(InvalidInput, match="ridge: is 'auto'; allowed: finite numbers ≥ 0"):
        fit_path("affine", *latents("affine"), "auto")


def test_a_file_in_place_of_a_folder_holds_no_mapping(tmp_path):
    file = tmp_path / "notes.txt"
    file.write_text("no mapping")
    with pytest.raises(ArtifactError, match="holds no mapping"):
        load_mapping(str(file))
