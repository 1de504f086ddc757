from dataclasses import fields
from typing import get_args

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

from framework.errors import InvalidInput
from framework.mappings.config import Affine, Kernel, MappingConfig, Orthogonal, Relative, Residual, size_problem
from framework.mappings.methods import METHODS

CONFIGS = {config.model_fields["kind"].default: config for config in get_args(get_args(MappingConfig)[0])}


def test_there_is_a_config_for_each_method():
    assert list(CONFIGS) == list(METHODS)


@pytest.mark.parametrize("kind", METHODS)
def test_its_fields_are_the_methods_options_with_their_defaults(kind):
    options = {field.name: field.default for field in fields(METHODS[kind]) if field.name != "ridge"}
    config = CONFIGS[kind]()
    assert config.options() == options
    assert config.kind == kind
    METHODS[kind](**config.options())


@pytest.mark.parametrize("kind", METHODS)
def test_it_has_ridges_where_they_have_a_meaning(kind):
    assert ("ridges" in CONFIGS[kind].model_fields) == METHODS[kind].uses_ridge
    assert CONFIGS[kind]().ridge_values == ((0.0, 0.001, 0.01, 0.1) if METHODS[kind].uses_ridge else (0.0,))
    METHODS[kind](ridge=CONFIGS[kind]().ridge_values[-1])


@pytest.mark.parametrize("kind", METHODS)
def test_every_field_is_described(kind):
    assert all(info.description for info in CONFIGS[kind].model_fields.values())


def test_kinds_select_and_other_fields_are_refused():
    adapter = TypeAdapter(MappingConfig)
    assert adapter.validate_python({"kind": "kernel", "gamma": 0.5, "ridges": [0, 1]}) == Kernel(
        gamma=0.5, ridges=(0, 1)
    )
    assert adapter.validate_python({"kind": "residual", "base": "affine"}).options()["base"] == "affine"
    assert Affine(ridges=(1,)).ridge_values == (1.0,)
    for wrong in (
        {"kind": "orthogonal", "ridges": [0]},
        {"kind": "kernel", "gamma": 0},
        {"kind": "affine", "ridges": []},
    ):
        with pytest.raises(ValidationError):
            adapter.validate_python(wrong)
    assert Orthogonal().options() == {"scaling": "none"}
    assert Residual.model_fields["seed"].json_schema_extra == {"replicate": True}


def test_variants_of_a_method_have_labels_of_their_own():
    assert [CONFIGS[kind]().label for kind in METHODS] == list(METHODS)
    assert Orthogonal(scaling="isotropic").label == "orthogonal_isotropic"
    assert Relative(centred=True).label == "relative_centred"
    assert {"label"}.isdisjoint(Orthogonal().model_dump())


@pytest.mark.filterwarnings("ignore::framework.mappings.MappingWarning")
@pytest.mark.parametrize("sizes", [(3, 5), (5, 3), (4, 4), (1, 4), (4, 1), (1, 1)])
@pytest.mark.parametrize("kind", METHODS)
def test_sizes_are_refused_before_a_fit_where_the_method_refuses_them(kind, sizes):
    rng = np.random.default_rng(0)
    source, target = (rng.normal(size=(40, size)) for size in sizes)
    quick = {"epochs": 5, "hidden": 4} if kind in ("mlp", "residual") else {}
    problem = size_problem(kind, *sizes)
    if problem is None:
        assert METHODS[kind](**quick).fit(source, target).source_dim == sizes[0]
        return
    assert f"is {kind}" in problem
    assert f"{sizes[0]} → {sizes[1]}" in problem
    with pytest.raises(InvalidInput):
        METHODS[kind](**quick).fit(source, target)
