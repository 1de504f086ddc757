"""Keys that logins of the client left are found."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from framework.tracking.keys import CLOUD, stored_key
from framework.tracking.tracker import Tracker, configured


def test_where_the_key_of_an_address_is_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    place = tmp_path / "netrc"
    monkeypatch.setenv("NETRC", str(place))
    entries = {"x:1": "with port", "x": "without", "api.forge.coreweave.com": "cloud", "empty": '""'}
    place.write_text("".join(f'machine {name} login user password "{key}"\n' for name, key in entries.items()))
    found = [stored_key(f"http://{name}") for name in ("x:1", "x:2", "x", "y", "empty")]
    assert found == ["with port", "without", "without", None, None]
    assert stored_key(CLOUD) == "cloud"
    place.write_text("machine x\ndefault login user password any\n")
    assert stored_key("http://x") is None, "a file that cannot be read holds no key"
    place.write_text("default login user password any\n")
    assert stored_key("http://x") == "any"
    monkeypatch.delenv("NETRC")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert stored_key("http://x") is None
    place.rename(tmp_path / "_netrc")
    assert stored_key("http://x") == "any"


@pytest.mark.parametrize("host", [["--host", "http://127.0.0.1:4444"], []])
def test_a_login_of_the_client_is_found(host: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    kept = {name: value for name, value in os.environ.items() if not name.startswith("WANDB")}
    subprocess.run(
        [sys.executable, "-m", "wandb", "login", "--no-verify", *host, "k" * 40], check=True, capture_output=True,
        env=kept | {"WANDB_CONFIG_DIR": str(tmp_path), "WANDB_DIR": str(tmp_path)}, cwd=tmp_path, timeout=60,
    )  # fmt: skip
    url = host[1] if host else CLOUD
    assert configured({}, url if host else None) == Tracker(url, "k" * 40)
