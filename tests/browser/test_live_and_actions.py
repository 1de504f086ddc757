"""What moves while somebody looks, and what somebody may change who is logged in: with the real client."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from launch.server import clients
from tests.browser.conftest import Shoot
from tests.protocol.clients import client_of
from tests.protocol.conftest import Lab, Server, wait_for

SWEEP = """
method: grid
program: train.py
metric: {name: mse, goal: minimize}
parameters:
  ridge: {values: [0.1, 1.0]}
  seed: {values: [0, 1]}
"""
WORK = """
def train():
    with wandb.init() as run:
        for step in range(int(sys.argv[2])):
            run.log({"mse": run.config.ridge + run.config.seed + 1 / (step + 1)})
            time.sleep(0.5)
        if run.config.seed == int(sys.argv[3]):
            sys.exit(1)
wandb.agent(sys.argv[1], train, count=int(sys.argv[4]))
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    made = Server(tmp_path_factory.mktemp("live") / "server").start()
    yield made
    made.end()


@pytest.fixture
def lab(server: Server, tmp_path: Path, request: pytest.FixtureRequest) -> Lab:
    project = request.function.__name__.removeprefix("test_").replace("_", "-")
    return Lab(tmp_path, server, client_of(clients.NEWEST), project, server.info.url, server.info.key)


def begin(lab: Lab) -> str:
    """A new sweep: its path."""
    code = f"sweep = wandb.sweep({json.dumps(SWEEP)!s} and __import__('yaml').safe_load({SWEEP!r}))\ntell(sweep)"
    output = lab.python(code)
    [line] = [text for text in output.splitlines() if text.startswith("RESULT ")]
    return f"local/{lab.project}/{json.loads(line.removeprefix('RESULT '))}"


def address(lab: Lab, path: str) -> str:
    return f"{lab.url}/local/{lab.project}/sweeps/{path.rsplit('/', 1)[1]}"


def log_in(page: Page, lab: Lab, key: str | None = None) -> None:
    page.get_by_role("link", name="Log in").first.click()
    page.fill("#key", key or lab.key)
    page.get_by_role("button", name="Log in").click()


def end(process: subprocess.Popen[str]) -> None:
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0, output


def test_rows_change_while_somebody_looks(lab: Lab, page: Page, shoot: Shoot) -> None:
    path = begin(lab)
    page.goto(address(lab, path))
    expect(page.locator("#live")).to_have_text("live")
    assert "No runs yet" in page.inner_text("#table")
    agent = lab.start(WORK, path, "8", "-1", "2")
    expect(page.locator("#running li")).to_have_count(1, timeout=30_000)
    cell = page.locator(".grid tbody td.mark").first
    expect(cell).not_to_have_text("–", timeout=30_000)
    before = cell.inner_text()
    shoot(page, "live")
    expect(cell).not_to_have_text(before, timeout=30_000)
    end(agent)
    expect(page.locator(".grid tbody .state.finished")).to_have_count(2, timeout=30_000)
    expect(page.locator("#progress")).to_contain_text("2 of 4 points ended")
    assert page.locator("progress").get_attribute("value") is not None
    heads = [text.strip(" ↑↓") for text in page.locator(".grid thead th").all_inner_texts()]
    assert "seed" in heads  # it varies only since the second run
    page.goto(f"{lab.url}/local/{lab.project}")
    expect(page.locator("#sweeps .best b")).to_have_text("0.725")


def test_a_page_goes_on_when_the_server_comes_back(lab: Lab, server: Server, browser: Browser) -> None:
    path = begin(lab)
    page = browser.new_page()  # it complains of the connection: `page` would fail
    page.goto(address(lab, path))
    expect(page.locator("#live")).to_have_text("live")
    server.end()
    expect(page.locator("#live")).to_have_text("no connection, trying again", timeout=10_000)
    server.start()
    expect(page.locator("#live")).to_have_text("live", timeout=40_000)
    page.close()


def test_a_sweep_is_paused_and_stopped_by_who_is_logged_in(lab: Lab, page: Page, shoot: Shoot) -> None:
    path = begin(lab)
    page.goto(address(lab, path))
    expect(page.locator("#actions")).to_contain_text("Log in to pause, stop, cancel")
    assert page.locator("#actions button").count() == 0
    log_in(page, lab)
    assert page.url == address(lab, path)
    page.get_by_role("button", name="Pause").click()
    expect(page.locator("#state")).to_have_text("paused")
    page.get_by_role("button", name="Resume").click()
    expect(page.locator("#state")).to_have_text("running")
    page.get_by_role("button", name="Stop").click()
    page.get_by_role("button", name="No").click()
    expect(page.locator("dialog")).to_have_count(0)
    page.get_by_role("button", name="Stop").click()
    shoot(page, "stop")
    page.get_by_role("button", name="Yes").click()
    expect(page.locator("#state")).to_have_text("finished")
    shoot(page, "actions")
    page.get_by_role("button", name="Log out").click()
    page.goto(address(lab, path))
    expect(page.locator("#actions")).to_contain_text("Log in to resume")


def test_failed_points_are_opened_again(lab: Lab, page: Page) -> None:
    path = begin(lab)
    end(lab.start(WORK, path, "1", "0", "4"))
    page.goto(address(lab, path))
    log_in(page, lab)
    page.get_by_role("button", name="Open failed points again (2)").click()
    expect(page.locator("#state")).to_have_text("running")
    expect(page.locator("#actions")).to_contain_text("2 points opened")
    end(lab.start(WORK, path, "1", "-1", "2"))
    expect(page.locator("#progress")).to_contain_text("4 of 4 points ended", timeout=20_000)
    expect(page.locator("#state")).to_have_text("finished", timeout=20_000)


EDIT = """(given) => {
  const node = document.createElement("section");
  node.id = "edit";
  node.dataset.given = JSON.stringify(given);
  document.querySelector("main").append(node);
  return import("/static/edit.js").then(() => true);
}"""


def test_notes_and_tags_are_edited(lab: Lab, page: Page, shoot: Shoot) -> None:
    lab.python("wandb.init(id='r1', tags=['first']).finish()")
    page.goto(f"{lab.url}/local/{lab.project}/sweeps")
    page.goto(f"{lab.url}/login")
    page.fill("#key", lab.key)
    page.get_by_role("button", name="Log in").click()
    page.goto(f"{lab.url}/local/{lab.project}")
    given = {"address": f"/change/local/{lab.project}/runs/r1", "notes": "", "tags": ["first"], "mayChange": True}
    page.evaluate(EDIT, {**given, "login": "/login"})
    page.get_by_role("button", name="Edit").click()
    page.fill("#edit-notes", "<b>two\nlines</b>")
    page.fill("#edit-tags", "first, second one,,first")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#edit .tag")).to_have_text(["first", "second one"])
    assert page.inner_text("#edit .notes") == "<b>two\nlines</b>"
    shoot(page, "edit")
    told = lab.python(f"run = wandb.Api().run('local/{lab.project}/r1')\ntell([run.notes, sorted(run.tags)])")
    assert wait_for(lambda: told)
    assert '["<b>two\\nlines</b>", ["first", "second one"]]' in told


def test_without_a_session_notes_are_read(lab: Lab, page: Page) -> None:
    page.goto(lab.url)
    given = {"address": "/change/x", "notes": "seen", "tags": [], "mayChange": False, "login": "/login?next=%2F"}
    page.evaluate(EDIT, given)
    assert "seen" in page.inner_text("#edit")
    assert page.locator("#edit button").count() == 0
    assert page.get_by_role("link", name="Log in").get_attribute("href") == "/login?next=%2F"
