"""Configs: frozen pydantic models with an identity.

A config is the whole truth about one piece of work. Unknown keys are refused with the nearest known name,
types are strict, and `config_id` is the hash of the canonical JSON of every field that can change a result.
Layers (defaults, files, command line) are put together in `framework.layers`; this module knows one config.
"""

import functools
import hashlib
import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from json.encoder import encode_basestring_ascii
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from framework.errors import ConfigError, Problem
from framework.fields import (
    branch_of,
    default_sections,
    discriminator_of,
    fields_with_sections,
    marked,
    overlay_field,
    retype,
    retyped_fields,
    section_of,
    short_fields,
)
from framework.problems import are_told_later, problems_of, refuse, told_together, within

ID_LENGTH = 12
LARGEST_EXACT_INTEGER = 2**53

LEAST_SEED, SEEDS_END = -(2**63), 2**64
Seed = Annotated[int, Field(ge=LEAST_SEED, lt=SEEDS_END)]
"""A seed: what torch takes for one. Generators of other libraries are made of it by `framework.seeds`."""


def no_effect(default: Any, *, description: str) -> Any:
    """A field that cannot change a result (device, workers, logging): left out of `config_id`."""
    return Field(default, description=description, json_schema_extra={"no_effect": True})


def replicate(default: Any, *, description: str) -> Any:
    """A seed: part of `config_id`, and what reports average over."""
    return Field(default, description=description, json_schema_extra={"replicate": True})


def added(default: Any, *, description: str) -> Any:
    """A field that came after results were made: at its default, it is left out of `config_id`.

    What was made before keeps its identity. The default must mean what was done before there was the field, and
    must never be changed.
    """
    return Field(default, description=description, json_schema_extra={"added": True})


if TYPE_CHECKING:
    kept = functools.cached_property
else:

    class kept(functools.cached_property):  # noqa: N801 (used as `property` is)
        """A cached property without the lock that Python 3.11 takes: a plan asks for tens of thousands."""

        def __get__(self, instance, owner=None):
            if instance is None:
                return self
            value = instance.__dict__[self.attrname] = self.func(instance)
            return value


class Config(BaseModel):
    """Base of every config: frozen, strict, with unknown keys refused."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        validate_default=True,
        allow_inf_nan=False,
        ignored_types=(kept,),
    )

    @model_validator(mode="before")
    @classmethod
    def _as_the_fields_type_it(cls, data: Any) -> Any:
        """Undo what text formats do to values: lists for tuples, and `1e-3`, which YAML 1.1 reads as text.

        The name of a branch stands for its section. A section that is given in part keeps the rest of the field's
        own default.
        """
        if not isinstance(data, dict):
            return data
        annotations, sections, short = retyped_fields(cls), default_sections(cls), short_fields(cls)
        changed = {}
        for key, given in data.items():
            value = given
            if key in short and isinstance(given, str):
                value = changed[key] = section_of(cls.model_fields[key], given)
            if key in sections and isinstance(value, dict):
                changed[key] = _section(cls, key, sections[key], value)
            elif key in annotations:
                changed[key] = retype(value, annotations[key])
        return {**data, **changed} if changed else data

    def model_post_init(self, context: Any, /) -> None:
        """Refuse what contradicts itself; here, and not in a validator, so that a section is asked only once."""
        if not are_told_later():
            refuse(self.conflicts())

    def conflicts(self) -> Iterable[Problem]:
        """What cannot be done as it is said though each field by itself is right; keys are those of this section.

        Subclasses say what contradicts itself in them. Default: nothing.
        """
        return ()

    @kept
    def contradictions(self) -> tuple[Problem, ...]:
        """The conflicts of this config and of all sections in it."""
        inner = [
            within(key, section.contradictions) for key, section in _sections_in(self) if section.contradictions
        ]
        return (*itertools.chain.from_iterable(inner), *self.conflicts())

    @classmethod
    def typed(cls, data: Mapping[str, Any], where: str = "") -> Self:
        """The config that `data` describes, which may contradict itself.

        Raises:
            ConfigError: with every key that is unknown or missing, and every value that its field does not take.
        """
        try:
            with told_together():
                return cls.model_validate(dict(data))
        except ValidationError as error:
            raise ConfigError(problems_of(cls, error), where) from None

    @classmethod
    def parse(cls, data: Mapping[str, Any], where: str = "") -> Self:
        """The config that `data` describes.

        Raises:
            ConfigError: with every problem found, each with its key, its value and what is allowed. What
                contradicts itself is told once all keys and values by themselves are right.
        """
        config = cls.typed(data, where)
        if config.contradictions:
            raise ConfigError(config.contradictions, where)
        return config

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        """Itself: a frozen config needs no copies, and pydantic would make one of each default for each point."""
        return self

    @property
    def config_id(self) -> str:
        """The identity: 12 hex digits, equal wherever, whenever and in whatever order the keys were given."""
        return hashlib.sha256(self.canonical_text.encode()).hexdigest()[:ID_LENGTH]

    @kept
    def canonical_text(self) -> str:
        """Canonical JSON of the fields that can change a result. Kept: many points share their sections.

        Raises:
            ConfigError: with every value that has no canonical form, such as an integer beyond ±2^53.
        """
        values = self.__dict__
        parts: list[str] = []
        problems: list[Problem] = []
        for name, key, usual, text, unsaid in _encoded_fields(type(self)):
            value = values[name]
            if value is usual:
                parts.append(text)
                continue
            try:
                said = key + (value.canonical_text if isinstance(value, Config) else canonical_json(value))
                if said != unsaid:
                    parts.append(said)
            except ConfigError as error:
                problems += within(name, error.problems)
            except ValueError as error:
                problems.append(Problem(name, f"has no identity: {error}"))
        if problems:
            raise ConfigError(problems)
        return "{" + ",".join(parts) + "}"

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy, changed where `update` says; what was derived from the old values stays behind."""
        copied = super().model_copy(update=update, deep=deep)
        for name in ("canonical_text", "contradictions"):
            copied.__dict__.pop(name, None)
        return copied


def stands_by_fields(config: type[Config]) -> bool:
    """Whether each field is typed by itself: the class has no validators but those of every config."""
    own, usual = config.__pydantic_decorators__, Config.__pydantic_decorators__
    return (
        not own.field_validators
        and own.model_validators.keys() == usual.model_validators.keys()
        and config.model_post_init is Config.model_post_init
    )


def _sections_in(config: Config) -> Iterator[tuple[str, Config]]:
    """The sections that a config holds, lists of them too, by key."""
    values = config.__dict__
    for name in fields_with_sections(type(config)):
        value = values[name]
        if isinstance(value, Config):
            yield name, value
        elif isinstance(value, tuple | dict):
            items = value.items() if isinstance(value, dict) else enumerate(value)
            yield from ((f"{name}.{key}", item) for key, item in items if isinstance(item, Config))


_SECTIONS: dict[tuple[type, str, str], BaseModel] = {}
SECTIONS_KEPT = 4096


def _section(model: type[BaseModel], name: str, default: Mapping[str, Any], value: Mapping[str, Any]) -> Any:
    """A section laid on its default: validated once, however many points of a grid hold the same."""
    known = (model, name, repr(value))
    section = _SECTIONS.get(known)
    if section is None:
        info = model.model_fields[name]
        merged = overlay_field(info, default, value)
        branch = branch_of(info, merged.get(discriminator_of(info) or ""))
        try:
            section = branch.model_validate(merged) if branch else None
        except ValidationError:
            section = None
        if section is None or (isinstance(section, Config) and section.contradictions):
            return merged  # validated again where it stands, so that its errors get their whole keys
        if len(_SECTIONS) >= SECTIONS_KEPT:
            _SECTIONS.clear()
        _SECTIONS[known] = section
    return section


@functools.cache
def _effective_fields(model: type[BaseModel]) -> list[str]:
    return [name for name, info in model.model_fields.items() if not marked(info, "no_effect")]


def canonical(value: Any) -> Any:
    """`value` as plain JSON data in which equal numbers look equal: `0.0`, `-0.0` and `0` are all `0`.

    A config is taken without the fields that cannot change a result, and without those that were added and have
    their default. W&B's client writes integral
    floats as integers, so anything else would change on the way.

    Raises:
        ValueError: NaN, infinity, an integer that a double cannot hold, or a value that JSON has no form for.
    """
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int | float):
        return _canonical_number(value)
    if isinstance(value, Config):
        fields = {name: canonical(getattr(value, name)) for name in _effective_fields(type(value))}
        unsaid = _added_defaults(type(value))
        return {name: data for name, data in fields.items() if name not in unsaid or data != unsaid[name]}
    if isinstance(value, tuple | list):
        return [canonical(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): canonical(item) for key, item in value.items()}
    raise ValueError(f"{value!r} ({type(value).__name__}) has no JSON form")


def _canonical_number(value: float) -> float:
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{value} is not a finite number")
        if not value.is_integer() or abs(value) > LARGEST_EXACT_INTEGER:
            return value
        value = int(value)
    if abs(value) > LARGEST_EXACT_INTEGER:
        told = "is an integer beyond ±2^53, which W&B cannot carry exactly: take a smaller one, or a string"
        raise ValueError(f"{value} {told}")
    return value


def canonical_json(value: Any) -> str:
    """Canonical JSON text: sorted keys, no white space, canonical numbers, ASCII.

    The same as `json.dumps(canonical(value), sort_keys=True, separators=(",", ":"))`, several times faster for
    configs: a plan needs it for every point.

    Raises:
        ValueError: as `canonical`.
    """
    write = _WRITERS.get(type(value))
    if write is not None:
        return write(value)
    if isinstance(value, Config):
        return value.canonical_text
    for kind in (str, int, float, tuple, list, Mapping):  # a subclass of one of them
        if isinstance(value, kind):
            return _WRITERS[dict if kind is Mapping else kind](value)
    raise ValueError(f"{value!r} ({type(value).__name__}) has no JSON form")


def _list_text(value: Sequence[Any]) -> str:
    return "[" + ",".join(map(canonical_json, value)) + "]"


def _mapping_text(value: Mapping[Any, Any]) -> str:
    entries = (
        sorted(((str(key), item) for key, item in value.items()), key=_first) if len(value) > 1 else value.items()
    )
    return "{" + ",".join(f"{encode_basestring_ascii(str(k))}:{canonical_json(v)}" for k, v in entries) + "}"


def _first(pair: tuple[str, Any]) -> str:
    return pair[0]


_NO_DEFAULT = object()
_WRITERS: dict[type, Callable[[Any], str]] = {
    type(None): lambda _: "null",
    bool: lambda value: "true" if value else "false",
    str: encode_basestring_ascii,
    int: lambda value: repr(_canonical_number(value)),
    float: lambda value: repr(_canonical_number(value)),
    tuple: _list_text,
    list: _list_text,
    dict: _mapping_text,
}


@functools.cache
def _added_defaults(model: type[BaseModel]) -> dict[str, Any]:
    fields = model.model_fields
    return {name: canonical(fields[name].default) for name in fields if marked(fields[name], "added")}


@functools.cache
def _encoded_fields(model: type[BaseModel]) -> list[tuple[str, str, Any, str, str]]:
    """Of each field that can change a result: name, encoded name, default, the text of both, what is not said.

    Most fields of most points hold the very object that is their default. Of an added field that one is not said.
    """
    found = []
    for name in sorted(_effective_fields(model)):
        key = f"{encode_basestring_ascii(name)}:"
        usual = model.model_fields[name].default
        plain = usual is None or isinstance(usual, bool | int | float | str)
        said = key + canonical_json(usual) if plain else ""
        if marked(model.model_fields[name], "added"):
            found.append((name, key, _NO_DEFAULT, "", key + canonical_json(usual)))
        else:
            found.append((name, key, usual if plain else _NO_DEFAULT, said, ""))
    return found
