"""The parts of an address: those of its path, and what stands behind the question mark, once or several times."""

from collections.abc import Mapping, Sequence
from typing import Self

from starlette.requests import Request as HttpRequest

from launch.server.errors import ApiError


class Parts(dict[str, str]):
    """The last value of each name; `every` has all of them."""

    def __init__(self, single: Mapping[str, str], several: Sequence[tuple[str, str]] = ()) -> None:
        super().__init__(single)
        self._several = several

    @classmethod
    def of(cls, http: HttpRequest) -> Self:
        """Those of a request; what the path says comes before what the query says."""
        return cls({**http.query_params, **http.path_params}, http.query_params.multi_items())

    def every(self, name: str) -> list[str]:
        """Each value of a name in the query, once, in order."""
        return list(dict.fromkeys(value for key, value in self._several if key == name))


def every(parts: Mapping[str, str], name: str) -> list[str]:
    """Each value of a name, of whatever parts there are."""
    if isinstance(parts, Parts):
        return parts.every(name)
    return [parts[name]] if name in parts else []


def whole(parts: Mapping[str, str], name: str, otherwise: int, low: int, high: int) -> int:
    """A whole number between two others.

    Raises:
        ApiError: it is none.
    """
    text = parts.get(name)
    if text is None or not text:
        return otherwise
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) < 20):
        raise ApiError(f"`{name}` must be a whole number from {low:,} to {high:,}, not {text[:40]!r}")
    return min(max(int(text), low), high)
