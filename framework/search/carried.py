"""What a tracker can carry: names that stand in addresses, and values that JSON has a form for."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from framework.errors import Problem

FORBIDDEN = re.compile(r"[/\\#?%:\x00-\x1f]")
LONGEST_NAME = 512
"""Characters."""


def name_problem(name: str) -> str | None:
    """Why a project or an entity cannot be called so, if it cannot."""
    if not name.strip() or name in (".", ".."):
        return f"is {name!r}; a name is needed"
    if len(name) > LONGEST_NAME:
        return f"has {len(name)} characters; at most {LONGEST_NAME} are allowed"
    if found := FORBIDDEN.search(name):
        return f"is {name!r}; a name cannot hold {found.group()!r}"
    return None


def home_problems(data: Mapping[str, Any]) -> Iterator[Problem]:
    """What is wrong with the entity and the project that a definition names."""
    for key in ("entity", "project"):
        value = data.get(key)
        message = None if value is None or isinstance(value, dict | list) else name_problem(str(value))
        if message is not None:
            yield Problem(key, message)


def value_problems(parameters: Mapping[str, Any], prefix: str = "parameters") -> Iterator[Problem]:
    """Values of parameters that change their type on the way: YAML has dates, bytes and sets, JSON has not."""
    for name, spec in parameters.items():
        key = f"{prefix}.{name}"
        if not isinstance(spec, dict):
            continue
        if isinstance(spec.get("parameters"), dict):
            yield from value_problems(spec["parameters"], key)
        for listed in ("value", "values"):
            for value in _strangers(spec.get(listed)):
                message = f"holds {str(value)!r} ({type(value).__name__}), which JSON has no form for; quote it"
                yield Problem(f"{key}.{listed}", message)


def _strangers(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        for item in value.values():
            yield from _strangers(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _strangers(item)
    elif value is not None and not isinstance(value, str | int | float):
        yield value
