"""pydantic's validation errors in the user's words: the key, the value, what is allowed."""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from framework.errors import Problem
from framework.fields import branch_of, did_you_mean, discriminator_of, marked, models_of, nearest

QUOTED = re.compile(r"'([^']+)'")
ALIKE_WORDS = 0.7
"""How much of a word has to be that of one that is allowed, for it to be told beside all that are."""
_ALLOWED = {
    "int_type": "an integer",
    "float_type": "a number",
    "string_type": "a string",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping of keys",
    "model_attributes_type": "a mapping of keys",
    "none_required": "null",
    "finite_number": "a finite number",
}


_TOLD_LATER: ContextVar[bool] = ContextVar("_TOLD_LATER", default=False)


@contextmanager
def told_together() -> Iterator[None]:
    """Let sections that contradict themselves pass inside: who validates a whole config asks all of them then."""
    token = _TOLD_LATER.set(True)
    try:
        yield
    finally:
        _TOLD_LATER.reset(token)


def are_told_later() -> bool:
    """Whether this is within `told_together`."""
    return _TOLD_LATER.get()


def refuse(problems: Iterable[Problem]) -> None:
    """Refuse a section by itself if it has any problems, with all of them.

    Raises:
        ValueError: there are some; pydantic takes it as a validator's.
    """
    found = "; ".join(map(str, problems))
    if found:
        raise ValueError(found)


def within(section: str, problems: Iterable[Problem]) -> Iterator[Problem]:
    """Problems of a section as those of what holds it."""
    for problem in problems:
        yield Problem(".".join(part for part in (section, problem.key) if part), problem.message)


def differing(one: BaseModel, other: BaseModel) -> str:
    """The fields that can change a result in which two configs of one type differ, with both values."""
    fields = [name for name, info in type(one).model_fields.items() if not marked(info, "no_effect")]
    pairs = [(name, getattr(one, name), getattr(other, name)) for name in fields]
    return ", ".join(f"{name} ({first} and {second})" for name, first, second in pairs if first != second)


def problems_of(model: type[BaseModel], error: ValidationError) -> list[Problem]:
    """Every error of a pydantic validation, in the user's words."""
    found: dict[tuple[str, str], list[str]] = {}
    words: dict[tuple[str, str], str] = {}
    errors = error.errors(include_url=False)
    places = [details["loc"] for details in errors]
    for details in errors:
        place = details["loc"]
        if details["type"] == "too_short" and any(p[: len(place)] == place != p for p in places):
            continue  # pydantic counts the items that are right, and the others are told themselves
        key, message, allowed = _problem(model, details)
        found.setdefault((key, message), []).append(allowed)
        words[key, message] = words.get((key, message), "") or _word(details)
    return [
        Problem(key, f"{message}{_allowed(allowed, words[key, message])}" if allowed[0] else message)
        for (key, message), allowed in found.items()
    ]


def _word(details: Any) -> str:
    """The word that stands where one of several is allowed, and another is meant; empty where there is none."""
    value = (details.get("ctx") or {}).get("tag") if details["type"] == "union_tag_invalid" else details["input"]
    chosen = details["type"] in ("union_tag_invalid", "literal_error")
    return value if chosen and isinstance(value, str) else ""


def _allowed(allowed: list[str], word: str) -> str:
    told = " or ".join(dict.fromkeys(allowed))
    return f"; allowed: {told}{did_you_mean(word, QUOTED.findall(told), ALIKE_WORDS) if word else ''}"


def _problem(model: type[BaseModel], details: Any) -> tuple[str, str, str]:
    """Key, what is wrong, and what is allowed (the arms of a union each bring an error of their own)."""
    kind, value, context = details["type"], details["input"], details.get("ctx") or {}
    keys, holder = _without_tags(model, details["loc"])
    key = ".".join(keys)
    if kind == "extra_forbidden":
        return key, f"unknown key; {nearest(keys[-1], list(holder.model_fields) if holder else [])}", ""
    if kind == "missing":
        return key, "is required and has no default", ""
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        tag = context.get("discriminator", "kind").strip("'")
        given = f"is {context['tag']!r}" if kind == "union_tag_invalid" else "is not given"
        allowed = context.get("expected_tags") or ", ".join(repr(name) for name in _tags(model, keys, tag))
        return f"{key}.{tag}", given, allowed
    if kind == "value_error":
        return key, str(context.get("error", details["msg"])), ""
    if kind in ("too_short", "too_long"):
        bound, more = ("min_length", "or more") if kind == "too_short" else ("max_length", "or fewer")
        count = context["actual_length"]
        return key, f"has {count} item{'' if count == 1 else 's'}", f"{context[bound]} {more}"
    allowed = context["expected"] if kind == "literal_error" else _ALLOWED.get(kind)
    allowed = allowed or details["msg"].removeprefix("Input should be ")
    given = f"is {value!r}" if isinstance(value, str) and kind == "literal_error" else _shown(value)
    return key, given, allowed


def _shown(value: Any) -> str:
    text = repr(value)
    return f"is {text if len(text) <= 60 else text[:57] + '...'} ({type(value).__name__})"


def _tags(model: type[BaseModel], keys: list[str], tag: str) -> list[Any]:
    holder: type[BaseModel] | None = model
    info = None
    for key in keys:
        info = holder.model_fields.get(key) if holder else None
        inner = models_of(info) if info else []
        holder = inner[0] if inner else None
    return [value for m in (models_of(info) if info else []) for value in get_args(m.model_fields[tag].annotation)]


def _without_tags(model: type[BaseModel], location: tuple[Any, ...]) -> tuple[list[str], type[BaseModel] | None]:
    """The key as the user wrote it (pydantic adds the union's tag), and the class that holds its end."""
    keys: list[str] = []
    holder: type[BaseModel] | None = model
    parts = list(location)
    while parts:
        part = parts.pop(0)
        keys.append(str(part))
        if not parts or holder is None:
            continue
        info = holder.model_fields.get(str(part))
        inner = models_of(info) if info else []
        if info and discriminator_of(info) and len(inner) > 1:
            holder = branch_of(info, parts.pop(0))
        else:
            holder = inner[0] if len(inner) == 1 else None
            if len(inner) != 1 and parts and isinstance(parts[0], str):
                parts.pop(0)  # pydantic names the arm of a plain union, which is no key
    return keys, holder
