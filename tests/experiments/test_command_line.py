"""The command line of every experiment means what it says: short forms, fields and lists, in every order."""

import itertools
import json
import shlex
from collections.abc import Iterator
from typing import Any, get_args

import pytest
import tomli_w
import yaml
from pydantic import BaseModel

from experiments import EXPERIMENTS, manager_of
from experiments.fusion.config import FusionConfig
from experiments.stitching.config import StitchingConfig
from framework.config import Config
from framework.errors import ConfigError
from framework.fields import discriminator_of, item_types, models_of, takes_only_lists, union_arms
from framework.layers import resolve, split_overrides

OTHER = {int: "3", float: "0.5", bool: "true", str: "word"}
SECOND = {"3": "4", "0.5": "0.25", "true": "false", "word": "text"}


def outcome(config: type[Config], *options: str) -> tuple[str, Any]:
    """The config that a command line gives, or what is wrong with it, whatever the order in which that is told."""
    words = [word for option in options for word in shlex.split(f"--{option}")]
    try:
        return "taken", resolve(config, [], split_overrides(words)).config
    except ConfigError as error:
        return "refused", {str(problem) for problem in error.problems}


def sections(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, list[type[BaseModel]], bool]]:
    """Every section by its dotted key: its classes, and whether a kind selects one of them."""
    yield from ((key, inner, chosen) for key, inner, chosen, _ in chosen_sections(model, prefix))


def chosen_sections(
    model: type[BaseModel],
    prefix: str = "",
    outer: tuple[str, ...] = (),
    above: tuple[type[BaseModel], ...] = (),
) -> Iterator[tuple[str, list[type[BaseModel]], bool, tuple[str, ...]]]:
    """The same, with the options that choose the branches in which each stands, where they are no defaults."""
    for name, info in model.model_fields.items():
        key = prefix + name
        inner = [] if any(item_types(arm, 1) for arm in union_arms(info.annotation)) else models_of(info)
        chosen = discriminator_of(info) is not None
        if inner:
            yield key, inner, chosen, outer
        for branch in inner:
            if above.count(branch) > 1:  # a config that holds itself is gone into once
                continue
            kinds = get_args(branch.model_fields["kind"].annotation) if chosen else ()
            choice = (f"{key}.kind={kinds[0]}",) if chosen and not isinstance(info.default, branch) else ()
            yield from chosen_sections(branch, f"{key}.", (*outer, *choice), (*above, branch))


def unions() -> list[tuple[type[Config], str, type[BaseModel]]]:
    found = []
    for name in EXPERIMENTS:
        config = manager_of(name).config
        found += [(config, key, branch) for key, inner, chosen in sections(config) if chosen for branch in inner]
    return list(dict.fromkeys(found))


def words_for(model: type[BaseModel]) -> Iterator[tuple[str, str]]:
    """A field and a word that it takes, not always with the others; lists get two."""
    for name, info in model.model_fields.items():
        arms = union_arms(info.annotation)
        if name == "kind" or models_of(info):
            continue
        kinds = item_types(arms[0], 2)
        word = OTHER.get(union_arms(kinds[0] if kinds else arms[0])[0])
        if word is not None:
            yield name, f"{word} {SECOND[word]}" if kinds else word


@pytest.mark.parametrize(
    ("config", "key", "branch"), unions(), ids=lambda value: getattr(value, "__name__", str(value))
)
def test_a_branch_by_its_name_goes_together_with_its_fields_in_every_order(config, key, branch):
    kind = get_args(branch.model_fields["kind"].annotation)[0]
    short, long, section = f"{key}={kind}", f"{key}.kind={kind}", f"{key}={{kind: {kind}}}"
    fields = [f"{key}.{name} {word}" for name, word in words_for(branch)][:2]
    expected = outcome(config, long, *fields)
    for form in (short, long, f"'{section}'"):
        for order in itertools.permutations([form, *fields]):
            assert outcome(config, *order) == expected, order
    if expected[0] == "taken":
        chosen = expected[1]
        for part in key.split("."):
            chosen = getattr(chosen, part)
        assert type(chosen) is branch


def section_keys() -> list[tuple[type[Config], str, str, bool, tuple[str, ...]]]:
    found = {}
    for name in EXPERIMENTS:
        config = manager_of(name).config
        for key, inner, chosen, outer in chosen_sections(config):
            field, word = next(words_for(inner[0]), ("kind", "x"))
            found.setdefault((config, key), (config, key, f"{key}.{field} {word}", chosen, outer))
    return list(found.values())


@pytest.mark.parametrize(
    ("config", "key", "option", "chosen", "outer"),
    section_keys(),
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_a_section_and_a_value_in_its_place_are_refused_in_every_order(config, key, option, chosen, outer):
    for value in ("7", "[1, 2]"):
        for order in itertools.permutations([f"{key} '{value}'", option]):
            told, found = outcome(config, *outer, *order)
            assert told == "refused"
            name = f"{key}.kind: " if chosen else f"{key}: cannot be all of `"  # a word may name a branch
            assert any(text.startswith(name) for text in found), found


def lists() -> list[tuple[type[Config], str, str]]:
    """Lists of numbers or texts outside of unions, by dotted key, and a word for an item."""
    found = []
    for name in EXPERIMENTS:
        config = manager_of(name).config
        places = [("", config)] + [(f"{key}.", inner[0]) for key, inner, chosen in sections(config) if not chosen]
        for prefix, model in places:
            for field, info in model.model_fields.items():
                items = item_types(info.annotation, 1) if takes_only_lists(info.annotation) else None
                word = OTHER.get(union_arms(items[0])[0]) if items else None
                found += [(config, prefix + field, word)] if word else []
    return list(dict.fromkeys(found))


@pytest.mark.parametrize(
    ("config", "key", "word"), lists(), ids=lambda value: getattr(value, "__name__", str(value))
)
def test_several_words_after_an_option_are_a_list(config, key, word):
    several = {"3": "3 4 5", "0.5": "0.25 0.5 0.25", "word": "a b c"}[word]
    assert outcome(config, f"{key} {several}") == outcome(config, f"{key} '[{', '.join(several.split())}]'")
    assert outcome(config, f"{key} {word}") == outcome(config, f"{key} '[{word}]'")
    told, found = outcome(config, f"{key} {several}")
    assert told == "taken" or not any("(str)" in text for text in found)


@pytest.mark.parametrize(
    ("config", "line", "key", "expected"),
    [
        (FusionConfig, "parents A.pt B.pt|model vgg|model.width 0.5", "model", ("vgg", 0.5)),
        (FusionConfig, "model.width 5e-1|model vgg|parents A.pt B.pt", "model", ("vgg", 0.5)),
        (StitchingConfig, "source.model vae|source.model.latent_dim 16|mapping mlp", "source.model", ("vae", 16)),
        (StitchingConfig, "source.model.latent_dim 1.6e1|source {model: vae}", "source.model", ("vae", 16)),
    ],
)
def test_the_lines_that_once_ran_something_else(config, line, key, expected):
    for order in itertools.permutations(line.split("|")):
        told, found = outcome(config, *(option.replace("{model: vae}", "'{model: vae}'") for option in order))
        assert told == "taken", found
        for part in key.split("."):
            found = getattr(found, part)
        assert (found.kind, getattr(found, "width", None) or found.latent_dim) == expected


def first_taken(config: type[Config]) -> tuple[str, str, str, str, Config]:
    """The first branch of a union, at the top or one section below, that is taken with one of its fields."""
    for key, inner, chosen in sections(config):
        for branch in inner if chosen and key.count(".") <= 1 else []:
            kind = get_args(branch.model_fields["kind"].annotation)[0]
            for field, word in words_for(branch):
                told, found = outcome(config, f"{key}.kind {kind}", f"{key}.{field} {word}")
                if told == "taken":
                    return key, kind, field, word, found
    raise AssertionError(f"{config.__name__} has no such union")


def nested(key: str, value: Any) -> dict[str, Any]:
    for part in reversed(key.split(".")):
        value = {part: value}
    return value


WRITERS = {"toml": tomli_w.dumps, "yaml": yaml.safe_dump, "json": json.dumps}


@pytest.mark.parametrize("name", EXPERIMENTS)
@pytest.mark.parametrize("form", WRITERS)
def test_short_forms_in_files_go_with_fields_of_other_files_and_of_the_command_line(name, form, tmp_path):
    config = manager_of(name).config
    key, kind, field, word, expected = first_taken(config)
    value = [yaml.safe_load(part) for part in word.split()]
    short, other = tmp_path / f"short.{form}", tmp_path / "other.yaml"
    short.write_text(WRITERS[form](nested(key, kind)))
    other.write_text(yaml.safe_dump(nested(key, {field: value if len(value) > 1 else value[0]})))
    for files in ([short, other], [other, short]):
        assert resolve(config, files).config == expected
    field_words, kind_words = [f"--{key}.{field}", *word.split()], [f"--{key}", kind]
    assert resolve(config, [short], split_overrides(field_words)).config == expected
    assert resolve(config, [other], split_overrides(kind_words)).config == expected
