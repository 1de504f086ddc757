"""Runs compared, an artifact's page, and the curves of a sweep."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from launch.server.clients import NEWEST
from tests.browser.conftest import PHONE, Shoot
from tests.browser.test_run_page import NASTY, complaints, inside, settled
from tests.protocol.clients import client_of
from tests.protocol.conftest import Lab, Server, shown

RUNS = """
import numpy as np
nasty = sys.argv[1]
chance = np.random.default_rng(0)
for number in range(3):
    run = wandb.init(id=f"r{number}", name=nasty if number == 2 else f"run {number}", config={
        "model": {"kind": "vae" if number else "ae", "dim": 16}, "lr": 0.1 * number, "same": 1, nasty: number})
    for step in range(50 + 25 * number):
        run.log({"loss": (number + 1) / (step + 1), "accuracy": step / (step + 5 + number)})
    run.log({"picture": wandb.Image((chance.random((16, 16)) * 255).astype("uint8"), caption=f"of {number}")})
    with open(os.path.join(run.dir, "provenance.toml"), "w") as file:
        file.write(f'provenance = 1\\n[git]\\ncommit = "abc{number}"\\n')
        file.write(f'[packages]\\nnumpy = "2.{number}"\\ntorch = "2.0"\\n')
    run.save(os.path.join(run.dir, "provenance.toml"), base_path=run.dir, policy="now")
    if number == 0:
        for version in range(3):
            made = wandb.Artifact("weights", type="model", metadata={"epochs": version, "by": {nasty: nasty}})
            with made.new_file("a.txt") as file: file.write(str(version))
            with made.new_file("provenance.toml") as file:
                file.write("provenance = 1\\n[work]\\nkind = 'model'\\n")
            run.log_artifact(made, aliases=["latest", "best"] if version == 1 else ["latest"]).wait()
    else:
        run.use_artifact(f"{path}/weights:v1")
    run.finish()
"""
SWEEP = """
axes = {"lr": {"values": [0.1, 0.2, 1.0]}, "seed": {"values": [1, 2, 3, 4]}}
sweep = wandb.sweep({"method": "grid", "parameters": axes})
def work():
    run = wandb.init()
    for step in range(40):
        run.log({"loss": run.config.lr / (step + 1) + 0.01 * run.config.seed, "accuracy": step / 40})
    run.finish()
wandb.agent(sweep, work)
tell(sweep)
"""
FRAME = """<!doctype html><html lang="en"><head><title>x</title><link rel="stylesheet" href="/static/style.css">
<link rel="stylesheet" href="/static/run.css"><link rel="stylesheet" href="/static/uplot/uPlot.min.css">
<script src="/static/uplot/uPlot.iife.min.js" defer></script>
<script type="module" src="/static/sweep_curves.js"></script></head>
<body><main><h1>x</h1><section id="curves" data-base="{base}"></section></main></body></html>"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    made = Server(tmp_path_factory.mktemp("compared") / "server").start()
    yield made
    made.end()


@pytest.fixture(scope="module")
def lab(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Lab:
    folder: Path = tmp_path_factory.mktemp("lab")
    return Lab(folder, server, client_of(NEWEST), "shown", server.info.url, server.info.key)


@pytest.fixture(scope="module")
def project(lab: Lab) -> str:
    """The address of a project with three runs and an artifact."""
    lab.python(RUNS, NASTY)
    return f"{lab.url}/local/shown"


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("wide", [True, False], ids=["wide", "phone"])
def test_what_differs_is_shown(page: Page, project: str, shoot: Shoot, theme: Any, wide: bool) -> None:
    page.emulate_media(color_scheme=theme)
    if not wide:
        page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    page.goto(f"{project}/compare?run=r0&run=r1&run=r2")
    settled(page)
    tables = {name: page.get_by_role("region", name=name, exact=True) for name in ("config", "code", "packages")}
    assert tables["config"].locator("tbody th").all_inner_texts() == [NASTY, "lr", "model.kind"]
    assert tables["code"].locator("tbody th").all_inner_texts() == ["git.commit"]
    assert tables["packages"].locator("tbody tr").all_inner_texts() == ["numpy\t2.0\t2.1\t2.2"]
    assert page.get_by_role("region", name="summary").locator("tbody th").all_inner_texts() == ["accuracy", "loss"]
    expect(page.locator("#charts canvas")).to_have_count(2)
    assert page.locator(".beside img").count() == 3
    assert page.evaluate("[...document.images].every((image) => image.complete && image.naturalWidth > 0)")
    assert page.locator("main img[src=x]").count() == 0
    assert complaints(page) == []
    assert inside(page) == []
    shoot(page, f"compare-{theme}-{'wide' if wide else 'phone'}")


@pytest.mark.parametrize("count", [0, 1, 21])
def test_two_to_twenty_are_compared(page: Page, project: str, count: int) -> None:
    page.goto(f"{project}/compare?" + "&".join(f"run=r{number}" for number in range(count)))
    assert f"Two to 20 runs are compared; the address names {count}." in page.inner_text("main")
    assert complaints(page) == []


def test_a_run_that_is_gone_is_named(page: Page, project: str) -> None:
    reply = page.request.get(f"{project}/compare?run=r0&run=gone")
    assert (reply.status, "no run gone" in reply.text()) == (404, True)
    reply = page.request.get(f"{project.replace('/local/', '/view/local/')}/compare/curves?run=r0&key=loss")
    assert (reply.status, "2 to 20" in reply.text()) == (400, True)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("wide", [True, False], ids=["wide", "phone"])
def test_an_artifact_and_its_lineage(page: Page, project: str, shoot: Shoot, theme: Any, wide: bool) -> None:
    page.emulate_media(color_scheme=theme)
    if not wide:
        page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    page.goto(f"{project}/artifacts/model/weights/v1")
    expect(page.locator(".graph a")).to_have_count(4)  # it, its maker and two users
    rows = page.get_by_role("region", name="versions").locator("tbody tr")
    assert [row.split("\t")[0] for row in rows.all_inner_texts()] == ["weights:v2", "weights:v1", "weights:v0"]
    assert "best" in rows.nth(1).inner_text()
    assert "latest" in rows.nth(0).inner_text()
    page.locator(".tree summary", has_text="work").click()
    expect(page.get_by_text("model", exact=True).last).to_be_visible()
    assert complaints(page) == []
    assert inside(page) == []
    shoot(page, f"artifact-{theme}-{'wide' if wide else 'phone'}")
    page.locator(".graph a.run").first.click()
    expect(page.locator("h1")).to_contain_text("run 0")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_curves_of_a_sweep_are_lines_and_bands(
    page: Page, lab: Lab, project: str, shoot: Shoot, theme: Any
) -> None:
    found = page.request.get(f"{lab.url}/local/swept").ok
    name = "" if found else shown(lab.python(SWEEP, WANDB_PROJECT="swept"))
    if found:
        name = page.request.get(f"{lab.url}/local/swept").text().split("/local/swept/sweeps/")[1].split('"')[0]
    base = f"/view/local/swept/sweeps/{name}"
    told = page.request.get(f"{lab.url}{base}/curves?key=loss&by=lr").json()
    assert [(band["name"], band["runs"]) for band in told["bands"]] == [("0.1", 4), ("0.2", 4), ("1", 4)]
    first = told["bands"][0]
    assert (first["x"][0], first["low"][0], first["high"][0]) == (0, 0.11, 0.14)
    assert first["mean"][0] == pytest.approx(0.125)
    assert told["factors"] == ["lr", "seed"]
    page.emulate_media(color_scheme=theme)
    page.route("**/framed", lambda route: route.fulfill(body=FRAME.format(base=base), content_type="text/html"))
    page.goto(f"{lab.url}/framed")
    expect(page.locator("#curves canvas")).to_have_count(1)
    assert page.locator(".legend li").count() == 0
    page.select_option("#curves-by", "lr")
    expect(page.locator(".legend li")).to_have_count(3)
    page.select_option("#curves-key", "loss")
    page.check("#curves-log")
    assert "curve=loss" in page.url
    assert "curves_by=lr" in page.url
    assert complaints(page) == []
    shoot(page, f"sweep-curves-{theme}")
    page.go_back()
    expect(page.locator("#curves-log")).not_to_be_checked()
