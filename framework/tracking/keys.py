"""The keys that `wandb login` stored, by the address of a W&B server, read as the client reads them."""

import netrc
import os
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

CLOUD = "https://api.wandb.ai"
CLOUD_PAGES = ("https://wandb.ai", "https://www.wandb.ai")
CLOUD_MACHINES = ("api.wandb.ai", "api.forge.coreweave.com")
"""The names under which clients store the key of W&B's own server: older ones and newer ones."""


def api_of(url: str) -> str:
    """The address to speak to: for that of W&B's pages the one of its API, without a slash at the end."""
    url = url.rstrip("/")
    return CLOUD if url in CLOUD_PAGES else url


def pages_of(url: str) -> str:
    """The address of the pages of the server whose API is at `url`."""
    return CLOUD_PAGES[0] if url == CLOUD else url


def stored_key(url: str) -> str | None:
    """The key that `wandb login` stored for an address in the netrc file, or None.

    The client writes the port with the name of the machine. An entry without one, and the entry `default`, are
    good too.
    """
    address = urlsplit(url)
    names = [address.netloc, address.hostname or ""]
    if names[0] in CLOUD_MACHINES:
        names += CLOUD_MACHINES
    stored = _netrc()
    entry = next((stored[name] for name in [*names, "default"] if name in stored), None)
    return entry[2] or None if entry else None


def _netrc() -> Mapping[str, tuple[str, str, str]]:
    """What is in the netrc file, by machine; nothing where there is none, or it cannot be read."""
    given = os.environ.get("NETRC")
    places = [Path(given)] if given else [Path("~/.netrc"), Path("~/_netrc")]
    for place in places:
        try:
            return netrc.netrc(place.expanduser()).hosts
        except FileNotFoundError:
            continue
        except (netrc.NetrcParseError, OSError):
            break
    return {}
