"""Configs: frozen pydantic models with an identity.

A config is the whole truth about one piece of work. Unknown keys are refused with the nearest known name,
types are strict, and `config_id` is the hash of the canonical JSON of every field that can change a result.
Layers (defaults, files, command line) are put together in `framework.layers`; this module knows one config.
"""

import functools
import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from framework.errors import ConfigError
from framework.fields import default_sections, marked, overlay_field, retype, retyped_fields
from framework.problems import problems_of

ID_LENGTH = 12
LARGEST_EXACT_INTEGER = 2**53


def no_effect(default: Any, *, description: str) -> Any:
    """A field that cannot change a result (device, workers, logging): left out of `config_id`."""
    return Field(default, description=description, json_schema_extra={"no_effect": True})


def replicate(default: Any, *, description: str) -> Any:
    """A seed: part of `config_id`, and what reports average over."""
    return Field(default, description=description, json_schema_extra={"replicate": True})


class Config(BaseModel):
    """Base of every config: frozen, strict, with unknown keys refused."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        frozen=True, extra="forbid", strict=True, validate_default=True, allow_inf_nan=False
    )

    @model_validator(mode="before")
    @classmethod
    def _as_the_fields_type_it(cls, data: Any) -> Any:
        """Undo what text formats do to values: lists for tuples, and `1e-3`, which YAML 1.1 reads as text.

        A section that is given in part keeps the rest of the field's own default.
        """
        if not isinstance(data, dict):
            return data
        annotations, sections = retyped_fields(cls), default_sections(cls)
        changed = {}
        for key, value in data.items():
            if key in sections and isinstance(value, dict):
                changed[key] = overlay_field(cls.model_fields[key], sections[key], value)
            elif key in annotations:
                changed[key] = retype(value, annotations[key])
        return {**data, **changed} if changed else data

    @classmethod
    def parse(cls, data: Mapping[str, Any], where: str = "") -> Self:
        """The config that `data` describes.

        Raises:
            ConfigError: with every problem found, each with its key, its value and what is allowed.
        """
        try:
            return cls.model_validate(dict(data))
        except ValidationError as error:
            raise ConfigError(problems_of(cls, error), where) from None

    @property
    def config_id(self) -> str:
        """The identity: 12 hex digits, equal wherever, whenever and in whatever order the keys were given."""
        return hashlib.sha256(canonical_json(self).encode()).hexdigest()[:ID_LENGTH]


@functools.cache
def _effective_fields(model: type[BaseModel]) -> list[str]:
    return [name for name, info in model.model_fields.items() if not marked(info, "no_effect")]


def canonical(value: Any) -> Any:
    """`value` as plain JSON data in which equal numbers look equal: `0.0`, `-0.0` and `0` are all `0`.

    A config is taken without the fields that cannot change a result. W&B's client writes integral
    floats as integers, so anything else would change on the way.

    Raises:
        ValueError: NaN, infinity, an integer that a double cannot hold, or a value that JSON has no form for.
    """
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int | float):
        return _canonical_number(value)
    if isinstance(value, BaseModel):
        return {name: canonical(getattr(value, name)) for name in _effective_fields(type(value))}
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
        raise ValueError(f"{value} is an integer beyond ±2^53, which W&B cannot carry exactly: use a string")
    return value


def canonical_json(value: Any) -> str:
    """Canonical JSON text: sorted keys, no white space, canonical numbers, ASCII."""
    return json.dumps(canonical(value), sort_keys=True, separators=(",", ":"))
