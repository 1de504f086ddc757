"""Networks as data: defaults, values per task, and what is refused."""

from typing import Any

import pytest
from pydantic import Field

from framework.config import Config
from framework.errors import ConfigError
from framework.multitask.networks.config import AbcMLP, AbcStack, NetworkConfig, Stack, whole_tasks
from framework.multitask.per_task import per_task_fields, value
from tests.test_imports import HEAVY, loaded_by


class Holder(Config):
    network: NetworkConfig = Field(AbcMLP(), description="The network.")


def told(config: type[Config], **given: Any) -> str:
    with pytest.raises(ConfigError) as error:
        config.parse(given)
    return str(error.value)


def test_the_default_is_mup_by_width():
    config = AbcMLP()
    assert (config.parametrisation, config.scale, config.width, config.depth) == ("mup", "width", 256, 4)


@pytest.mark.parametrize(("kind", "section"), [("abc_mlp", AbcMLP), ("stack", Stack), ("abc_stack", AbcStack)])
def test_the_kind_selects_the_network(kind: str, section: type[Config]):
    assert type(Holder.parse({"network": kind}).network) is section


def test_an_option_of_another_kind_is_refused():
    assert "bottleneck_width" in told(Holder, network={"kind": "abc_mlp", "bottleneck_width": 8})


@pytest.mark.parametrize("section", [AbcMLP, Stack, AbcStack])
def test_each_value_but_the_kind_may_differ_from_task_to_task(section: type[Config]):
    assert set(per_task_fields(section)) == set(section.model_fields) - {"kind"}


def test_values_per_task_are_typed_as_single_ones_are():
    lists = {"one": [-0.5, 0, 0.5], "other": [0, 0]}
    config = AbcMLP.parse(
        {
            "depth": {"one": 3, "other": 2},
            "parametrisation": "explicit",
            "a": lists,
            "b": {"one": [0.5] * 3, "other": [0, 0]},
            "c": {"one": [0, 0, 0], "other": [0, 0]},
        }
    )
    assert value(config.a, "one") == (-0.5, 0, 0.5)
    assert whole_tasks(config) == ["one", "other"]
    assert "width.other" in told(AbcMLP, width={"one": 3, "other": 0})


def test_explicit_exponents_have_a_number_for_each_layer():
    found = told(AbcMLP, depth=3, parametrisation="explicit", a=[0, 0, 0], b=[0, 0])
    assert "b: has 2 numbers; allowed: 3, one for each layer with weights" in found
    assert "c: is null; parametrisation=explicit needs a list of 3 numbers" in found
    assert "a:" not in found


def test_a_stack_has_two_layers_a_core():
    lists = {name: [0.0] * 3 for name in "abc"}
    assert "allowed: 4" in told(AbcStack, depth=2, parametrisation="explicit", **lists)


def test_exponents_that_would_not_be_read_are_refused():
    found = told(AbcMLP, a=[0.5] * 4)
    assert "a: is [0.5, 0.5, 0.5, 0.5], which would be read by parametrisation=explicit alone" in found


def test_complete_p_needs_residuals_for_each_task_that_has_it():
    assert "residual: is false, with which" in told(AbcMLP, parametrisation="complete_p")
    chosen = {"one": "complete_p", "other": "mup"}
    found = told(AbcMLP, parametrisation=chosen, residual={"one": False, "other": False})
    assert "residual: is false for one" in found
    assert "other" not in found
    assert AbcMLP(parametrisation=chosen, residual={"one": True, "other": False})


def test_tasks_that_a_mapping_leaves_out_are_told_elsewhere():
    assert whole_tasks(AbcMLP(width={"one": 3, "other": 4}, residual={"one": True})) == ["one"]


def test_every_field_says_what_it_means():
    for section in (AbcMLP, Stack, AbcStack):
        assert all(info.description for info in section.model_fields.values())


def test_configs_know_no_tensor():
    assert not loaded_by("import framework.multitask.networks.config") & set(HEAVY)
