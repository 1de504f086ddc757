"""How values look on the wire: ids, times, names and JSON. Knows no storage and no HTTP."""

import base64
import json
import math
import re
import secrets
import string
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import PureWindowsPath
from typing import Any

import orjson

from framework.search.carried import name_problem
from launch.server.errors import ApiError
from launch.server.limits import MAX_JSON_DEPTH, MAX_NAME

ENTITY = "local"
_ALPHABET = string.ascii_lowercase + string.digits
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]|[\ud800-\udfff]")


def gid(kind: str, key: object) -> str:
    """A global id, base64 of `kind:key`, as the client demands."""
    return base64.b64encode(f"{kind}:{key}".encode()).decode()


def gid_hex(kind: str, key: object) -> str:
    """A global id as the client writes it into references to files of other artifacts."""
    return f"{kind}:{key}".encode().hex()


def parse_gid(kind: str, value: object) -> str | None:
    """The key inside a global id of this kind; None when it is not one."""
    try:
        text = base64.b64decode(str(value), validate=True).decode()
    except ValueError:  # not base64, not ASCII, or not a text inside
        return None
    prefix, _, key = text.partition(":")
    return key if prefix == kind and key else None


def parse_row_id(kind: str, value: object) -> int | None:
    """As `parse_gid`, for ids that number a row."""
    key = parse_gid(kind, value)
    return int(key) if key is not None and key.isascii() and key.isdigit() and len(key) < 19 else None


def new_name(length: int = 8) -> str:
    """A random short name as W&B gives to runs and sweeps."""
    return "".join(_ALPHABET[byte % len(_ALPHABET)] for byte in secrets.token_bytes(length))


def checked_name(value: object, what: str) -> str:
    """`value` as a name that can stand in an address.

    Raises:
        ApiError: it is empty, too long, or holds a character with a meaning in addresses or paths.
    """
    if not isinstance(value, str):
        raise ApiError(f"the name of a {what} is {value!r}; a text is needed")
    problem = name_problem(value)
    if problem is not None:
        raise ApiError(f"the name of a {what} {problem}")
    return value


def checked_path(value: object) -> str:
    r"""`value` as the relative path of a file: no `..`, no root, no drive, whatever the system it is written on.

    A backslash or a tab is a character of a name (media logged as `$\alpha$`), as long as a system that takes
    backslashes for separators stays inside too.

    Raises:
        ApiError: it is not. Nothing on this server's disk is ever named by it, but the client writes
            downloads to it.
    """
    if not isinstance(value, str) or not value or len(value) > MAX_NAME * 4:
        raise ApiError(f"not the name of a file: {str(value)[:80]!r}")
    elsewhere = PureWindowsPath(value)
    inside = not elsewhere.drive and not elsewhere.root and ".." not in elsewhere.parts
    if not inside or "\0" in value or any(part in ("", ".", "..") for part in value.split("/")):
        raise ApiError(f"the file name {value[:80]!r} is not a plain relative path")
    return value


def iso(seconds: float | None) -> str | None:
    """Seconds since the epoch as the client reads times: UTC, no fraction."""
    return None if seconds is None else _iso(math.floor(seconds))


@lru_cache(maxsize=8192)
def _iso(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def dumps(value: object) -> str:
    """JSON for storage and for JSON strings inside a reply; NaN and Infinity stay bare, as the client reads."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def loads(text: str | bytes) -> Any:
    """Any JSON, bare NaN and Infinity included.

    Raises:
        ApiError: it is not JSON, nested deeper than `MAX_JSON_DEPTH`, or holds half a surrogate pair, which is
            no text and could not be stored.
    """
    try:
        value = json.loads(text)
    except RecursionError as error:
        raise ApiError(f"JSON nested deeper than {MAX_JSON_DEPTH}") from error
    except ValueError as error:
        raise ApiError(f"not JSON: {error}") from error
    if too_deep(value):
        raise ApiError(f"JSON nested deeper than {MAX_JSON_DEPTH}")
    if _may_hold_surrogates(text):
        try:
            dumps(value).encode()
        except UnicodeEncodeError as error:
            raise ApiError(
                "the JSON holds half a surrogate pair (\\ud800 to \\udfff), which is no text"
            ) from error
    return value


def quick_json(text: str | bytes) -> Any:
    """As `loads`, several times as fast, for what is looked at and not stored.

    It is less exact: whole numbers beyond 64 bits become floats. Depth is bounded by the parser.

    Raises:
        ApiError: it is not JSON.
    """
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:  # NaN, Infinity, half a surrogate pair, bytes that are no text; or no JSON
        return loads(text if isinstance(text, str) else text.decode(errors="replace"))


def _may_hold_surrogates(text: str | bytes) -> bool:
    """Whether the slow look is needed: almost no text has an escape or anything that is not ASCII."""
    if text.isascii() and ("\\u" if isinstance(text, str) else b"\\u") not in text:  # type: ignore[operator]
        return False
    return bool(_SURROGATE.search(text if isinstance(text, str) else text.decode(errors="replace")))


def json_object(text: object, what: str) -> dict[str, Any]:
    """A JSON string that holds an object; None and "null" give an empty one.

    Raises:
        ApiError: it is something else.
    """
    if text is None:
        return {}
    value = loads(text) if isinstance(text, str) else text
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ApiError(f"{what} must be a JSON object, not {type(value).__name__}")
    return value


def object_in(text: str) -> Mapping[str, Any]:
    """A stored JSON text as an object; empty if it is something else, as a line of an old database can be."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def at(data: Mapping[str, Any], name: str) -> Any:
    """The value under `name`; a dotted name that is no key leads into nested mappings. None if there is none."""
    if name in data:
        return data[name]
    value: Any = data
    for part in name.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return None
        value = value[part]
    return value


class Plain(dict[str, Any]):
    """A mapping that is known to be strict JSON, however deep; `plain` does not look into it."""


def plain(value: Any) -> Any:
    """`value` with NaN and Infinity as strings: a GraphQL reply is strict JSON, and Go refuses the bare ones."""
    if value is None or isinstance(value, str | int | Plain):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else _nonfinite(value)
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


def _nonfinite(value: float) -> str:
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def too_deep(value: object) -> bool:
    """Whether lists and objects are nested deeper than `MAX_JSON_DEPTH`."""
    level = [value]
    for _ in range(MAX_JSON_DEPTH):
        level = [
            child
            for item in level
            if isinstance(item, dict | list)
            for child in (item.values() if isinstance(item, dict) else item)
            if isinstance(child, dict | list)
        ]
        if not level:
            return False
    return True
