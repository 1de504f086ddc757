"""Something that happens just before one of the server's transactions."""

from collections.abc import Callable
from typing import Any

import pytest

from launch.server.request import Services


def at_write(
    services: Services, monkeypatch: pytest.MonkeyPatch, number: int, do: Callable[[], None]
) -> list[int]:
    """Do something just before the transaction of this number; the list grows by one with each."""
    write: Callable[..., Any] = services.store.write
    seen: list[int] = []

    def counted() -> Any:
        seen.append(len(seen))
        if len(seen) - 1 == number:
            do()
        return write()

    monkeypatch.setattr(services.store, "write", counted)
    return seen
