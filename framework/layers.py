"""Layers: defaults < files < command line, strictly, and where each value came from.

Files are TOML, YAML or JSON; a key that stands twice in a file is refused. An explicit command-line value
wins also where it equals the default. Knows files and `key=value` texts; knows no experiment.
"""

import json
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar, get_args, get_origin

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from framework.config import Config
from framework.dialect import load
from framework.errors import ConfigError, Problem
from framework.fields import field_at, models_of, overlay, union_arms

DEFAULT = "default"
COMMAND_LINE = "command line"

C = TypeVar("C", bound=Config)


@dataclass(frozen=True)
class Resolved(Generic[C]):
    """A config and, for each of its dotted leaves, the layer that its value came from."""

    config: C
    origins: Mapping[str, str]


def resolve(config: type[C], files: Sequence[Path] = (), overrides: Sequence[tuple[str, str]] = ()) -> Resolved[C]:
    """Put the layers together; later files win over earlier ones, `overrides` (key, text) over all.

    Raises:
        ConfigError: with the problems of all layers together.
    """
    data: dict[str, Any] = {}
    set_by: dict[str, str] = {}
    problems: list[Problem] = []
    for path in files:
        try:
            layer = read_file(path)
        except ConfigError as error:
            problems += [Problem(problem.key, f"{problem.message} ({path})") for problem in error.problems]
            continue
        data = overlay(config, data, layer)
        set_by.update(dict.fromkeys(leaves(layer, config), str(path)))
    given: set[str] = set()
    for key, text in overrides:
        if key in given:
            problems.append(Problem(key, "is given twice on the command line; keep one of them"))
        given.add(key)
        data = overlay(config, data, _nested(key, value_of(config, key, text)))
        set_by[key] = COMMAND_LINE
    return _validated(config, data, set_by, problems)


def _validated(
    config: type[C], data: Mapping[str, Any], set_by: Mapping[str, str], problems: list[Problem]
) -> Resolved[C]:
    try:
        resolved = config.parse(data)
    except ConfigError as error:
        found = [Problem(p.key, f"{p.message} ({_origin(p.key, set_by)})") for p in error.problems]
        raise ConfigError([*problems, *found], config.__name__) from None
    if problems:
        raise ConfigError(problems, config.__name__)
    names = leaves(resolved.model_dump(), config)
    return Resolved(resolved, {name: _origin(name, set_by) for name in names})


def _origin(key: str, set_by: Mapping[str, str]) -> str:
    """The last layer that set the key or a section around it."""
    parts = key.split(".")
    around = {".".join(parts[:depth]) for depth in range(1, len(parts) + 1)}
    hits = [origin for name, origin in set_by.items() if name in around]
    if COMMAND_LINE in hits:
        return COMMAND_LINE
    return hits[-1] if hits else DEFAULT


def leaves(data: Mapping[str, Any], model: type[BaseModel] | None, prefix: str = "") -> list[str]:
    """The dotted keys of the values in `data`; sections of the config are walked, plain mappings are values."""
    found: list[str] = []
    for key, value in data.items():
        info = model.model_fields.get(key) if model else None
        inner = _branch(info, value) if info else None
        if isinstance(value, Mapping) and inner:
            found += leaves(value, inner, f"{prefix}{key}.")
        else:
            found.append(f"{prefix}{key}")
    return found


def _branch(info: FieldInfo, value: Any) -> type[BaseModel] | None:
    models = models_of(info)
    if len(models) <= 1 or not isinstance(value, Mapping):
        return models[0] if models else None
    return max(models, key=lambda model: len(set(model.model_fields) & set(value)))


# --- files -------------------------------------------------------------------------------------------------


def read_file(path: Path) -> dict[str, Any]:
    """The data of a config file, by its ending: .toml, .yaml, .yml or .json.

    Raises:
        ConfigError: the file is missing, of another kind, malformed, holds a key twice, or is no mapping.
    """
    readers: dict[str, Callable[[str], Any]] = {
        ".toml": tomllib.loads,
        ".json": _read_json,
        ".yaml": load,
        ".yml": load,
    }
    reader = readers.get(path.suffix.lower())
    if reader is None:
        allowed = ", ".join(readers)
        raise ConfigError([Problem("", f"cannot tell the format of `{path.name}`; allowed: {allowed}")])
    try:
        data = reader(path.read_text(encoding="utf-8"))
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ConfigError([Problem("", f"cannot be read: {reason}")]) from None
    except (tomllib.TOMLDecodeError, yaml.YAMLError, ValueError) as error:
        message = f"is not valid {path.suffix[1:].upper()}: {error}"
        raise ConfigError([Problem("", message)]) from None
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise ConfigError([Problem("", "is not a mapping of keys")])
    return data


def _read_json(text: str) -> Any:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        data = dict(pairs)
        if len(data) < len(pairs):
            twice = sorted({key for key, _ in pairs if sum(key == other for other, _ in pairs) > 1})
            raise ValueError(f"the key `{twice[0]}` stands twice; keep one of them")
        return data

    return json.loads(text, object_pairs_hook=unique)


# --- command line ------------------------------------------------------------------------------------------


def split_overrides(words: Sequence[str]) -> list[tuple[str, str]]:
    """`--source.seed 2 --ridge=0.1` as pairs of key and text; several words, `--parents A.pt B.pt`, as a list.

    Raises:
        ConfigError: a word that is no option, or an option without a value.
    """
    pairs: list[tuple[str, str]] = []
    problems: list[Problem] = []
    rest = list(words)
    while rest:
        word = rest.pop(0)
        key, equals, text = word.removeprefix("--").partition("=")
        if not word.startswith("--") or not key:
            problems.append(Problem("", f"cannot use `{word}`; write options as `--key value`"))
        elif equals:
            pairs.append((key.replace("-", "_"), text))
        elif rest and not rest[0].startswith("--"):
            values = [rest.pop(0)]
            while rest and not rest[0].startswith("--"):
                values.append(rest.pop(0))
            pairs.append((key.replace("-", "_"), values[0] if len(values) == 1 else json.dumps(values)))
        else:
            problems.append(Problem(key, f"has no value; write `--{key} VALUE`"))
    if problems:
        raise ConfigError(problems, COMMAND_LINE)
    return pairs


def value_of(config: type[Config], key: str, text: str) -> Any:
    """A command-line text as the field types it: text where it takes text, else a YAML value (`[8, 8]`)."""
    info = field_at(config, key)
    if info is not None and _takes_text(info.annotation):
        return None if text == "null" and type(None) in union_arms(info.annotation) else text
    try:
        return load(text)
    except yaml.YAMLError:
        return text


def _takes_text(annotation: Any) -> bool:
    return any(
        arm is str or (get_origin(arm) is Literal and all(isinstance(a, str) for a in get_args(arm)))
        for arm in union_arms(annotation)
    ) and not any(arm in (int, float, bool) for arm in union_arms(annotation))


def _nested(key: str, value: Any) -> dict[str, Any]:
    for part in reversed(key.split(".")):
        value = {part: value}
    return dict(value)
