"""What `sashiko config` prints, for every experiment: TOML that stands for the defaults, and every field."""

import io
import tomllib
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field
from rich.console import Console

from experiments import EXPERIMENTS, manager_of
from framework.config import Config
from framework.fields import leaf_fields
from launch.show import config_text, print_rows, toml


class Short(Config):
    kind: Literal["short"] = "short"
    length: int = Field(description="How long.")


class Long(Config):
    kind: Literal["long", "longer"] = "long"
    length: int = 9


class Inner(Config):
    high: float = Field(description="Upper end.")
    names: dict[str, Any] = {"a b": [1, {"d": "é"}]}


class Study(Config):
    needed: int = Field(description="Given by nobody.")
    inner: Inner = Inner(high=2.0)
    bare: Inner | None = None
    model: Annotated[Short | Long, Field(discriminator="kind")] = Short(length=3)
    other: Annotated[Short | Long, Field(discriminator="kind")] | None = None
    rows: tuple[Inner, ...] = (Inner(high=1.0),)


@pytest.mark.parametrize("name", sorted(EXPERIMENTS))
def test_the_text_stands_for_the_defaults_and_names_every_field(name: str):
    config = manager_of(name).config
    text = config_text(config)
    parsed = config.parse(tomllib.loads(text))
    assert parsed == config()
    assert parsed.config_id == config().config_id
    shown = {line.lstrip("# ").split(" = ")[0].removesuffix(" =") for line in text.splitlines()}
    for key, info in config.model_fields.items():
        assert key in shown | {line.strip("# []") for line in text.splitlines()}, key
        assert info.description
    assert {key.split(".")[0] for key, _ in leaf_fields(config)} == set(config.model_fields)


def test_required_fields_and_null_sections_are_shown_behind_a_hash():
    text = config_text(Study)
    assert "# needed = " in text
    assert "[inner]\nhigh = 2 " in text
    assert "# [bare]\n# # high = " in text
    assert "[model]\n# kind: one of short, long, longer\n" in text
    assert "# [other]\n# # kind: one of short, long, longer\n" in text
    given = tomllib.loads(text) | {"needed": 1}
    assert Study.parse(given) == Study(needed=1)


def test_a_value_is_toml_on_one_line():
    value = {"a b": [1, 0.5, True, "é\n"], "null": None, "section": Inner(high=1.0)}
    assert tomllib.loads(f"x = {toml(value)}")["x"] == {
        "a b": [1, 0.5, True, "é\n"],
        "section": {"high": 1, "names": {"a b": [1, {"d": "é"}]}},
    }


def test_a_table_is_folded_into_the_terminal_or_left_to_it():
    rows = [{"name": "a long name", "value": "0.5 ± 0.1"}]
    for fold in (True, False):
        console = Console(file=io.StringIO(), width=14, force_terminal=True, no_color=True)
        print_rows(rows, console, fold=fold)
        lines = console.file.getvalue().splitlines()
        assert (len(lines) == 2) == (not fold)
        assert any("a long name" in line for line in lines) == (not fold)


def test_what_a_terminal_would_obey_is_spelt_out():
    console = Console(file=io.StringIO(), width=120, color_system=None)
    print_rows([{"a\x1b[31mX": "b\u202ec", "plain": "é ✓"}], console)
    text = console.file.getvalue()
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "a\\x1b[31mX" in text
    assert "b\\u202ec" in text
    assert "é ✓" in text
