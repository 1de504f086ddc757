"""Looking into a config type: sections, branches of discriminated unions, marks, and how values are laid on.

Knows pydantic models; knows no file, no grid and no command line.
"""

import difflib
import functools
import re
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

T = TypeVar("T")
ALIKE = 0.6
EXPONENT = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+")


def marked(info: FieldInfo, mark: str) -> bool:
    """Whether the field carries `mark` (see `no_effect` and `replicate` in `framework.config`)."""
    return isinstance(info.json_schema_extra, dict) and bool(info.json_schema_extra.get(mark))


def _once(ask: Callable[[FieldInfo], T]) -> Callable[[FieldInfo], T]:
    """A question about a field, which is answered once: a `FieldInfo` never changes, but has no hash."""
    answers: dict[int, tuple[FieldInfo, T]] = {}

    @functools.wraps(ask)
    def answer(info: FieldInfo) -> T:
        known = answers.get(id(info))
        if known is None or known[0] is not info:
            known = answers[id(info)] = info, ask(info)
        return known[1]

    return answer


@_once
def models_of(info: FieldInfo) -> tuple[type[BaseModel], ...]:
    """The config classes that a field can hold: one for a section, several for a discriminated union."""
    return tuple(
        arm for arm in union_arms(info.annotation) if isinstance(arm, type) and issubclass(arm, BaseModel)
    )


@_once
def discriminator_of(info: FieldInfo) -> str | None:
    """The name of the key that selects the branch of a discriminated union (or null), if the field is one."""
    if info.discriminator is not None:
        return info.discriminator if isinstance(info.discriminator, str) else None
    return _inner_discriminator(info.annotation)


def _inner_discriminator(annotation: Any) -> str | None:
    """That of `Annotated[A | B, Field(discriminator=…)] | None`, which pydantic leaves where it is written."""
    if get_origin(annotation) is Annotated:
        marks = [mark.discriminator for mark in get_args(annotation)[1:] if isinstance(mark, FieldInfo)]
        return next((mark for mark in marks if isinstance(mark, str)), None)
    if get_origin(annotation) in (Union, types.UnionType):
        found = map(_inner_discriminator, get_args(annotation))
        return next((name for name in found if name is not None), None)
    return None


def branch_of(info: FieldInfo, tag: Any) -> type[BaseModel] | None:
    """The class of a discriminated union whose discriminator admits `tag`."""
    key = discriminator_of(info)
    for model in models_of(info):
        if key is None or tag in get_args(model.model_fields[key].annotation):
            return model
    return None


def nearest(name: str, known: Sequence[str]) -> str:
    """`did you mean …?` for a misspelt name, or the list of what is known."""
    close = _close(name, known)
    return f"did you mean `{close[0]}`?" if close else f"known: {', '.join(sorted(known))}"


def did_you_mean(name: str, known: Sequence[str], alike: float = ALIKE) -> str:
    """`; did you mean …?` for a misspelt name, and nothing for one of its own.

    `alike` is how much of the names has to be the same, as a share: `difflib`'s ratio.
    """
    close = _close(name, known, alike)
    return f"; did you mean `{close[0]}`?" if close else ""


def _close(name: str, known: Sequence[str], alike: float = ALIKE) -> list[str]:
    return difflib.get_close_matches(name, known, n=1, cutoff=alike) or [
        other for other in known if other.startswith(name) or name.startswith(other)
    ]


def leaf_fields(
    model: type[BaseModel], prefix: str = "", above: tuple[type[BaseModel], ...] = ()
) -> Iterator[tuple[str, FieldInfo]]:
    """Every field of a config type with its dotted name; each branch of a union in turn.

    A config type may hold itself, to any depth: inside itself (`above` are those around it) it is gone into once.
    """
    for name, info in model.model_fields.items():
        inner = models_of(info)
        if not inner:
            yield prefix + name, info
        for branch in inner:
            if above.count(branch) < 2:
                yield from leaf_fields(branch, f"{prefix}{name}.", (*above, branch))


def is_replicate(info: FieldInfo) -> bool:
    """Whether reports average over the field."""
    return marked(info, "replicate")


@functools.cache
def is_replicate_at(model: type[BaseModel], name: str) -> bool:
    """Whether the field of a dotted name only tells replicates apart, in whichever branch of a union it is."""
    first, _, rest = name.partition(".")
    info = model.model_fields.get(first)
    if info is None:
        return False
    return any(is_replicate_at(branch, rest) for branch in models_of(info)) if rest else is_replicate(info)


@functools.cache
def retyped_fields(model: type[BaseModel]) -> dict[str, Any]:
    """The fields for which `retype` can do anything, so that the others cost nothing."""
    return {
        name: info.annotation
        for name, info in model.model_fields.items()
        if any(leaf in (int, float, tuple) for leaf in _leaves(info.annotation))
    }


@functools.cache
def fields_with_sections(model: type[BaseModel]) -> tuple[str, ...]:
    """The fields that can hold sections: by themselves, or in a list or a mapping."""
    return tuple(
        name
        for name, info in model.model_fields.items()
        if any(isinstance(leaf, type) and issubclass(leaf, BaseModel) for leaf in _leaves(info.annotation))
    )


@functools.cache
def default_sections(model: type[BaseModel]) -> dict[str, dict[str, Any]]:
    """The fields whose default is a whole section, with that default as plain data."""
    return {
        name: info.default.model_dump()
        for name, info in model.model_fields.items()
        if isinstance(info.default, BaseModel)
    }


class Entries(dict[str, Any]):
    """Values that were given one by one, by dotted key: laid on a plain mapping, they leave its others alone."""


def section_of(info: FieldInfo, value: Any) -> Any:
    """A short form, the name of a branch by itself (`vgg`), as the section it stands for; others as they are."""
    tag = discriminator_of(info) if isinstance(value, str) else None
    return {tag: value} if tag else value


def written_out(info: FieldInfo, value: Any) -> Any:
    """The value of a field with every short form in it written out."""
    section = section_of(info, value)
    return overlay_field(info, {}, section) if isinstance(section, Mapping) and models_of(info) else section


@functools.cache
def short_fields(model: type[BaseModel]) -> frozenset[str]:
    """The fields that take a short form."""
    return frozenset(name for name, info in model.model_fields.items() if discriminator_of(info))


def overlay(model: type[BaseModel], base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`over` laid on `base`, section by section, short forms written out; lists and plain mappings replaced whole.

    Where `over` selects another branch of a discriminated union than `base` names, nothing of the base's branch
    remains. A base that names none goes with whatever is selected.
    """
    return _laid(model.model_fields, base, over)


def overlay_field(info: FieldInfo, base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`overlay` for the value of one field."""
    if not models_of(info):
        return _with_entries(base, over)
    tag = discriminator_of(info) or ""
    if tag in base and over.get(tag, base[tag]) != base[tag]:
        base = {}
    return _laid(_fields_of(info, over.get(tag, base.get(tag))), base, over)


def _laid(fields: Mapping[str, FieldInfo], base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, given in over.items():
        info = fields.get(key)
        if info is None:
            merged[key] = given
            continue
        value, below = section_of(info, given), section_of(info, base.get(key))
        if isinstance(value, Mapping):
            value = overlay_field(info, below if isinstance(below, Mapping) else {}, value)
        merged[key] = value
    return merged


def _with_entries(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(over, Entries):
        return dict(over)
    merged = dict(base)
    for key, value in over.items():
        below = base.get(key)
        inside = isinstance(value, Mapping)
        merged[key] = _with_entries(below if isinstance(below, Mapping) else {}, value) if inside else value
    return merged


def _fields_of(info: FieldInfo, tag: Any) -> Mapping[str, FieldInfo]:
    """The fields of the selected branch; of all of them, where none is."""
    branch = branch_of(info, tag)
    if branch is not None:
        return branch.model_fields
    return {name: field for model in reversed(models_of(info)) for name, field in model.model_fields.items()}


def defaults_of(model: type[BaseModel]) -> dict[str, Any]:
    """The defaults as plain data; required fields are left out."""
    found = {
        name: info.get_default(call_default_factory=True, validated_data={})
        for name, info in model.model_fields.items()
        if not info.is_required()
    }
    return {name: value.model_dump() if isinstance(value, BaseModel) else value for name, value in found.items()}


def _leaves(annotation: Any) -> Iterator[Any]:
    yield get_origin(annotation) or annotation
    for argument in get_args(annotation):
        yield from _leaves(argument)


def retype(value: Any, annotation: Any) -> Any:
    """`value` as `annotation` means it where text formats cannot say so: tuples, and numbers such as `1e-3`."""
    if isinstance(value, str):
        return _number(value, [get_origin(arm) or arm for arm in union_arms(annotation)])
    if isinstance(value, list | tuple):
        kinds = item_types(annotation, len(value))
        return (
            value if kinds is None else tuple(retype(part, kind) for part, kind in zip(value, kinds, strict=True))
        )
    if isinstance(value, Mapping):
        kind = _entry_type(annotation)
        return value if kind is None else {key: retype(part, kind) for key, part in value.items()}
    return value


def _number(text: str, kinds: list[Any]) -> Any:
    """The number that a text with an exponent means where no text can be meant; 1e3 is an integer, 1e-3 is not."""
    if str in kinds or not EXPONENT.fullmatch(text):
        return text
    number = float(text)
    if int in kinds and number.is_integer():
        return int(number)
    return number if float in kinds else text


def item_types(annotation: Any, count: int) -> list[Any] | None:
    """The type of each of so many items of a list; None for what takes no list."""
    for arm in union_arms(annotation):
        if get_origin(arm) is tuple:
            arguments = get_args(arm)
            repeated = len(arguments) == 2 and arguments[1] is Ellipsis
            return [arguments[0]] * count if repeated else [*arguments, *([Any] * count)][:count]
    return None


def takes_null(info: FieldInfo) -> bool:
    """Whether a field may be null."""
    return type(None) in union_arms(info.annotation)


def takes_only_lists(annotation: Any) -> bool:
    """Whether nothing but lists (and null) can be meant."""
    arms = [arm for arm in union_arms(annotation) if arm is not type(None)]
    return bool(arms) and all(get_origin(arm) is tuple for arm in arms)


def _entry_type(annotation: Any) -> Any:
    """The type of the values of a plain mapping; None for what is none."""
    return next((get_args(arm)[1] for arm in union_arms(annotation) if get_origin(arm) is dict), None)


def union_arms(annotation: Any) -> list[Any]:
    """The alternatives of a union (`A | B`, `Annotated[A | B, …]`), or the annotation itself."""
    if get_origin(annotation) is Annotated:
        return union_arms(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        return [arm for argument in get_args(annotation) for arm in union_arms(argument)]
    return [annotation]


# --- dotted paths ------------------------------------------------------------------------------


def related(first: str, second: str) -> bool:
    """Whether one dotted key is the other or lies inside it."""
    return first == second or first.startswith(second + ".") or second.startswith(first + ".")


def field_at(model: type[BaseModel], path: str, data: Mapping[str, Any] | None = None) -> FieldInfo | None:
    """The field at a dotted path, or None where there is none.

    With `data`, only the branches of unions that the data select are walked; without, any branch will do. Below
    a plain mapping every key exists.
    """
    name, _, rest = path.partition(".")
    info = model.model_fields.get(name)
    if info is None or not rest:
        return info
    branches = models_of(info)
    if not branches:
        return info if any(leaf in (dict, Any) for leaf in _leaves(info.annotation)) else None
    below = data.get(name) if data is not None else None
    tag = discriminator_of(info)
    if data is not None and tag and isinstance(below, Mapping):
        selected = branch_of(info, below.get(tag))
        branches = (selected,) if selected else branches
    inner = below if isinstance(below, Mapping) else None
    found = (field_at(branch, rest, inner if data is not None else None) for branch in branches)
    return next((field for field in found if field is not None), None)


def type_at(model: type[BaseModel], path: str, data: Mapping[str, Any] | None = None) -> Any:
    """The type of the value at a dotted path, in a plain mapping too; Any where it is not known."""
    info = field_at(model, path, data) or field_at(model, path)
    if info is None:
        return Any
    parts = path.split(".")
    for depth in range(1, len(parts)):
        above = field_at(model, ".".join(parts[:depth]), data)
        if above is not None and not models_of(above):
            kind: Any = above.annotation
            for _ in parts[depth:]:
                kind = _entry_type(kind) or Any
            return kind
    return info.annotation


def unions_on(model: type[BaseModel], path: str) -> list[str]:
    """The discriminators that a dotted path depends on: `mapping.kind` for `mapping.ridge`."""
    name, _, rest = path.partition(".")
    info = model.model_fields.get(name)
    if info is None or not rest:
        return []
    tag = discriminator_of(info)
    own = [tag] if tag and rest != tag else []
    inner = [key for branch in models_of(info) for key in unions_on(branch, rest)]
    return [f"{name}.{key}" for key in dict.fromkeys(own + inner)]
