"""Every page loads without a complaint of the browser, and is legible at once."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import Shoot
from tests.protocol.conftest import Server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    made = Server(tmp_path_factory.mktemp("pages") / "server").start()
    yield made
    made.end()


def test_an_empty_server_says_what_to_do(server: Server, page: Page, shoot: Shoot, tmp_path: Path) -> None:
    page.goto(server.info.url)
    assert "Nothing here yet" in page.inner_text("main")
    shoot(page, "empty")
