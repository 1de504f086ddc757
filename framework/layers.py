"""Layers: defaults < files < command line, strictly, and where each value came from.

Files are TOML, YAML or JSON; a key that stands twice in a file is refused. What one layer says is put together
first, short forms (`--model vgg`) written out, so that the order within a layer means nothing; what contradicts
itself there is refused. An explicit command-line value wins also where it equals the default. Knows files and
`--key value` words; knows no experiment.
"""

import json
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar, get_args, get_origin

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from framework.config import Config
from framework.dialect import load
from framework.errors import ConfigError, InvalidInput, Problem
from framework.fields import (
    EXPONENT,
    Entries,
    branch_of,
    defaults_of,
    discriminator_of,
    field_at,
    fields_with_sections,
    item_types,
    models_of,
    overlay,
    related,
    section_of,
    takes_null,
    takes_only_lists,
    type_at,
    union_arms,
    written_out,
)

DEFAULT = "default"
COMMAND_LINE = "command line"
DECIMAL = re.compile(r"[-+]?\d+")

Words = str | tuple[str, ...]
"""What follows an option: one word, or several."""

C = TypeVar("C", bound=Config)


@dataclass(frozen=True)
class Resolved(Generic[C]):
    """A config and, for each of its dotted leaves, the layer that its value came from."""

    config: C
    origins: Mapping[str, str]


def resolve(
    config: type[C],
    files: Sequence[Path] = (),
    overrides: Sequence[tuple[str, Words]] = (),
    check: Callable[[C], None] | None = None,
) -> Resolved[C]:
    """Put the layers together; later files win over earlier ones, `overrides` (key, words) over all.

    `check` may refuse the config for what it finds around it, with an InvalidInput (`Manager.check`).

    Raises:
        ConfigError: with the problems of all layers together, and those of `check`.
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
        problems += _covered(config, data, layer, set_by)
        data = overlay(config, data, layer)
        set_by.update(dict.fromkeys(leaves(overlay(config, {}, layer), config), str(path)))
    given = _command_line(config, data, overrides, problems)
    problems += _covered(config, data, given, set_by)
    data = overlay(config, data, given)
    set_by.update(dict.fromkeys(leaves(overlay(config, {}, given), config), COMMAND_LINE))
    there = set(leaves(data, config))
    set_by = {key: origin for key, origin in set_by.items() if key in there}
    resolved, found = _typed(config, data, check)
    problems += [Problem(p.key, f"{p.message} ({_origin(p.key, set_by)})" if p.key else p.message) for p in found]
    if problems or resolved is None:
        raise ConfigError(problems, config.__name__)
    names = leaves(resolved.model_dump(), config)
    return Resolved(resolved, {name: _origin(name, set_by) for name in names})


def _typed(
    config: type[C], data: Mapping[str, Any], check: Callable[[C], None] | None
) -> tuple[C | None, Sequence[Problem]]:
    """The config, where all keys and values are right by themselves, and everything that is wrong."""
    try:
        typed = config.typed(data)
    except ConfigError as error:
        return None, error.problems
    problems = list(typed.contradictions)
    try:
        _ = typed.canonical_text
    except ConfigError as error:
        problems += error.problems
    try:
        if check is not None:
            check(typed)
    except InvalidInput as error:
        problems += error.problems
    return typed, problems


def _covered(
    model: type[BaseModel],
    below: Mapping[str, Any],
    over: Mapping[str, Any],
    set_by: Mapping[str, str],
    prefix: str = "",
) -> Iterator[Problem]:
    """Values below that are no sections, where the layer above gives parts of one: they would be lost."""
    for key, value in over.items():
        info = model.model_fields.get(key)
        before = below.get(key)
        if info is None or key not in below or not isinstance(section_of(info, value), Mapping):
            continue
        where = f"{prefix}{key}"
        if isinstance(before, Mapping):
            inner = _branch(info, before)
            yield from _covered(inner, before, section_of(info, value), set_by, f"{where}.") if inner else ()
        elif (models_of(info) or isinstance(value, Entries)) and not (before is None and takes_null(info)):
            message = f"is {before!r} ({type(before).__name__}); allowed: a mapping of keys"
            yield Problem(where, f"{message} ({_origin(where, set_by)})")


def _origin(key: str, set_by: Mapping[str, str]) -> str:
    """The last layer that set the key, a section around it, or something inside it."""
    hits = [origin for name, origin in set_by.items() if related(name, key)]
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


def flat_values(data: Mapping[str, Any], model: type[BaseModel], prefix: str = "") -> dict[str, Any]:
    """The values in `data` by dotted key, as `leaves` names them: for thousands of configs of one kind."""
    found: dict[str, Any] = {}
    sections = fields_with_sections(model)
    for key, value in data.items():
        inner = _branch(model.model_fields[key], value) if isinstance(value, Mapping) and key in sections else None
        if inner:
            found |= flat_values(value, inner, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = value
    return found


def _branch(info: FieldInfo, value: Any) -> type[BaseModel] | None:
    models = models_of(info)
    if len(models) <= 1 or not isinstance(value, Mapping):
        return models[0] if models else None
    tag = discriminator_of(info)
    named = branch_of(info, value[tag]) if tag in value else None
    return named or max(models, key=lambda model: len(set(model.model_fields) & set(value)))


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


def split_overrides(words: Sequence[str]) -> list[tuple[str, Words]]:
    """`--source.seed 2 --ridge=0.1 --parents A.pt B.pt` as pairs of a key and the word, or words, that follow it.

    Raises:
        ConfigError: a word that is no option, or an option without a value.
    """
    pairs: list[tuple[str, Words]] = []
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
            pairs.append((key.replace("-", "_"), values[0] if len(values) == 1 else tuple(values)))
        else:
            problems.append(Problem(key, f"has no value; write `--{key} VALUE`"))
    if problems:
        raise ConfigError(problems, COMMAND_LINE)
    return pairs


def _command_line(
    config: type[Config],
    below: Mapping[str, Any],
    overrides: Sequence[tuple[str, Words]],
    problems: list[Problem],
) -> Mapping[str, Any]:
    """All options as one layer. What contradicts itself is added to `problems`."""
    keys = [key for key, _ in overrides]
    for key in sorted({key for key in keys if keys.count(key) > 1}):
        problems.append(Problem(key, "is given twice on the command line; keep one of them"))
    options = dict(overrides)
    values = {key: value_of(config, key, words) for key, words in options.items()}
    # Which branches are selected is known only now, and with it what the others mean.
    data = overlay(config, overlay(config, defaults_of(config), below), _together(config, values)[0])
    values = {key: value_of(config, key, words, data) for key, words in options.items()}
    layer, clashes = _together(config, values)
    for clash in dict.fromkeys(clashes):
        involved = " and ".join(f"`--{key} {_shown(options[key])}`" for key in options if related(key, clash))
        problems.append(Problem(clash, f"cannot be all of {involved}; keep what you mean"))
    return layer


def _together(config: type[Config], values: Mapping[str, Any]) -> tuple[Mapping[str, Any], list[str]]:
    """Values by dotted key as one tree, and the keys at which they contradict one another."""
    tree: Mapping[str, Any] = Entries()
    clashes: list[str] = []
    for key, value in values.items():
        info = field_at(config, key)
        nested: Any = written_out(info, value) if info is not None else value
        for part in reversed(key.split(".")):
            nested = Entries({part: nested})
        tree = _joined(tree, nested, "", clashes)
    return tree, clashes


def _joined(
    first: Mapping[str, Any], second: Mapping[str, Any], prefix: str, clashes: list[str]
) -> Mapping[str, Any]:
    one_by_one = isinstance(first, Entries) and isinstance(second, Entries)
    joined = Entries(first) if one_by_one else dict(first)
    for key, value in second.items():
        before = first.get(key)
        if key not in first:
            joined[key] = value
        elif isinstance(before, Mapping) and isinstance(value, Mapping):
            joined[key] = _joined(before, value, f"{prefix}{key}.", clashes)
        elif before != value:
            clashes.append(f"{prefix}{key}")
    return joined


def _shown(words: Words) -> str:
    return words if isinstance(words, str) else " ".join(words)


def value_of(config: type[Config], key: str, words: Words, data: Mapping[str, Any] | None = None) -> Any:
    """What follows an option as its field means it: a text, a YAML value (`[8, 8]`), or a list of them.

    With `data`, the field is looked up in the branches that the data select.
    """
    info = field_at(config, key)
    kind = type_at(config, key, data)
    given = (words,) if isinstance(words, str) else words
    if len(given) > 1 and given[0][:1] in ("[", "{"):  # a shell takes `[8, 8]` apart
        given = (" ".join(given),)
    if len(given) > 1:
        kinds = item_types(kind, len(given)) or [Any] * len(given)
        return [_read_word(word, item) for word, item in zip(given, kinds, strict=True)]
    (word,) = given
    value = _read_word(word, kind)
    if takes_only_lists(kind) and not isinstance(value, list | Mapping | None):
        return [_read_word(word, item) for item in item_types(kind, 1) or [Any]]
    named = info is not None and discriminator_of(info) is not None
    return word if named and not isinstance(value, Mapping | None) else value


def _read_word(word: str, kind: Any) -> Any:
    if _takes_text(kind):
        return None if word == "null" and type(None) in union_arms(kind) else word
    if DECIMAL.fullmatch(word):
        return int(word)  # 010 is no octal number
    if EXPONENT.fullmatch(word) and not {int, float} & set(union_arms(kind)):
        return float(word)  # nobody writes an argument of a Trainer as text; numbers are typed by their field
    try:
        return load(word)
    except yaml.YAMLError:
        return word


def _takes_text(annotation: Any) -> bool:
    return any(
        arm is str or (get_origin(arm) is Literal and all(isinstance(a, str) for a in get_args(arm)))
        for arm in union_arms(annotation)
    ) and not any(arm in (int, float, bool) for arm in union_arms(annotation))
