"""The page of a run: what the real client has logged is drawn, follows a live run, and stays a stranger's."""

import math
import re
import struct
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from launch.server.clients import NEWEST
from launch.server.storage import lines, open_store
from tests.browser.conftest import PHONE, Shoot
from tests.protocol.clients import client_of
from tests.protocol.conftest import Lab, Server, served

NASTY = "<img src=x onerror=alert(1)>\"'&lt;"
MEDIA = """
import numpy as np, plotly.graph_objects as go
run = wandb.init(id="full", name="everything at once", config={
    "model": {"kind": "vae", "latent_dim": 16, "widths": [8, 4]}, "seed": 3, "note": "two words"})
chance = np.random.default_rng(0)
for step in range(60):
    row = {"loss": 1 / (step + 1), "val/accuracy": 1 - 0.9 ** step, "nested": {"inner": step % 7}}
    if step % 20 == 0:
        row["picture"] = wandb.Image((chance.random((16, 16)) * 255).astype("uint8"), caption=f"at {step}")
        row["several"] = [wandb.Image((chance.random((8, 8)) * 255).astype("uint8")) for _ in range(3)]
        row["weights"] = wandb.Histogram(chance.normal(step, 1, 500))
    run.log(row)
rows = [[i, (i * 7 % 40) / 40, f"n{i}"] for i in range(40)]
run.log({
    "per_class": wandb.Table(columns=["class", "accuracy", "note"], data=rows),
    "page": wandb.Html("<h1>Drawn by HTML</h1><script>document.body.dataset.ran = 'yes'</script>"),
    "sound": wandb.Audio(sys.argv[1], caption="a tone"),
    "figure": wandb.Plotly(go.Figure(go.Scatter(x=[1, 2, 3], y=[3, 1, 2]))),
})
run.summary["best"] = 0.25
run.summary["_hidden"] = 1
data = wandb.Artifact("weights", type="model", metadata={"epochs": 3, "by": {"hand": True}})
with data.new_file("a.txt") as file: file.write("one")
run.log_artifact(data).wait()
print("said before the end")
with open(os.path.join(run.dir, "provenance.toml"), "w") as file:
    file.write('provenance = 1\\n[work]\\nexperiment = "demo"\\n[packages]\\nnumpy = "2.0"\\n')
run.save(os.path.join(run.dir, "provenance.toml"), base_path=run.dir, policy="now")
run.finish()
user = wandb.init(id="user", config={"seed": 4})
user.use_artifact(f"{path}/weights:latest").download()
user.log({"loss": 2})
user.finish()
"""
REACH = """
with wandb.init(id="reach") as run:
    run.log({"page": wandb.Html("<h1>Drawn by HTML</h1><script>document.body.dataset.ran = 'yes';"
        "fetch('/graphql').catch(() => { document.body.dataset.refused = 'yes' })</script>")})
"""
FRAMED = """
import plotly.graph_objects as go
with wandb.init(id="framed", name="framed") as run:
    figure = wandb.Plotly(go.Figure(go.Scatter(x=[1, 2, 3], y=[3, 1, 2])))
    run.log({"page": wandb.Html("<h1>Drawn by HTML</h1>"), "figure": figure})
"""
HOSTILE = """
nasty = sys.argv[1]
config = {nasty: nasty, "deep": {nasty: {nasty: 1}}}
run = wandb.init(id="hostile", name=nasty, notes=nasty, tags=[nasty[:40]], config=config)
for step in range(3):
    run.log({nasty: step, "nan": float("nan"), "huge": 1e308 * (-1) ** step, "zero": 0, "x" * 300: 1})
run.log({"picture " + nasty[:20].replace("/", ""): wandb.Table(columns=[nasty], data=[[nasty]])})
print(nasty)
run.finish()
"""
LIVE = """
run = wandb.init(id="live", settings=wandb.Settings(console="wrap"))
for step in range(int(sys.argv[1])):
    run.log({"loss": 1 / (step + 1), **({"late": step} if step > 8 else {})})
    print("line", step, flush=True)
    time.sleep(0.4)
run.finish()
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    made = Server(tmp_path_factory.mktemp("runs") / "server").start()
    yield made
    made.end()


@pytest.fixture(scope="module")
def lab(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Lab:
    folder = tmp_path_factory.mktemp("lab")
    return Lab(folder, server, client_of(NEWEST), "shown", server.info.url, server.info.key)


@pytest.fixture(scope="module")
def full(lab: Lab) -> str:
    """The address of a run with something of everything."""
    sound = lab.folder / "tone.wav"
    with wave.open(str(sound), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(b"".join(struct.pack("<h", int(9000 * math.sin(n / 3))) for n in range(8000)))
    lab.python(MEDIA, str(sound))
    return f"{lab.url}/local/shown/runs/full"


def settled(page: Page) -> None:
    """Scroll through, so that all that waits to be seen is drawn."""
    page.evaluate(
        """async () => { for (let y = 0; y < document.body.scrollHeight; y += 500) {
            scrollTo(0, y); await new Promise((then) => setTimeout(then, 60)); } scrollTo(0, 0); }"""
    )
    page.wait_for_timeout(700)


def complaints(page: Page) -> list[str]:
    """What axe finds."""
    found = Axe().run(page).response["violations"]
    nodes = [(item["id"], node) for item in found for node in item["nodes"]]
    return [f"{name}: {node['html'][:200]} {node['failureSummary'][:300]}" for name, node in nodes]


def inside(page: Page) -> list[str]:
    """What lies outside the window, though nothing scrolls it into sight."""
    found: list[str] = page.evaluate(
        """() => [...document.querySelectorAll('body *')].filter((node) => {
            const box = node.getBoundingClientRect();
            const scrolls = node.closest('.wide, .lineage, .beside, pre, .uplot');
            return box.width && box.right > innerWidth + 1 && !scrolls;
        }).map((node) => node.outerHTML.slice(0, 120))"""
    )
    return found


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("wide", [True, False], ids=["wide", "phone"])
def test_everything_is_drawn(page: Page, full: str, shoot: Shoot, theme: Any, wide: bool) -> None:
    page.emulate_media(color_scheme=theme)
    if not wide:
        page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    page.goto(full)
    settled(page)
    expect(page.locator("#charts figure canvas")).to_have_count(3)
    assert page.locator("#charts figcaption span").all_inner_texts() == ["loss", "nested.inner", "val/accuracy"]
    for kind, what in (
        ("image", "img"), ("histogram", "rect"), ("table", "tbody tr"), ("html", "iframe"), ("plotly", "iframe"),
        ("audio", "audio"),
    ):  # fmt: skip
        assert page.locator(f".medium.{kind} {what}").count() > 0, kind
    assert page.evaluate("[...document.images].every((image) => image.complete && image.naturalWidth > 0)")
    assert "said before the end" in page.inner_text("#log-lines")
    assert "_hidden" not in page.inner_text("#summary")
    assert page.locator("#lineage a").count() == 4
    assert complaints(page) == []
    assert inside(page) == []
    shoot(page, f"run-{theme}-{'wide' if wide else 'phone'}")


def test_the_slider_goes_through_the_steps(page: Page, full: str) -> None:
    page.goto(full)
    figure = page.locator('.medium[data-key="picture"]')
    figure.scroll_into_view_if_needed()
    expect(figure.locator("output")).to_have_text("step 40")
    assert figure.locator(".caption").inner_text() == "at 40"
    before = figure.locator("img").get_attribute("src")
    figure.locator("input").fill("0")
    expect(figure.locator("output")).to_have_text("step 0")
    assert figure.locator("img").get_attribute("src") != before
    several = page.locator('.medium[data-key="several"] img')
    several.first.scroll_into_view_if_needed()
    expect(several).to_have_count(3)


def test_tables_are_paged_and_sorted(page: Page, full: str) -> None:
    page.goto(full)
    table = page.locator('.medium[data-key="per_class"]')
    table.scroll_into_view_if_needed()
    expect(table.locator("tbody tr")).to_have_count(8)
    table.get_by_role("button", name="accuracy").click()
    expect(table.locator("th").nth(1)).to_have_attribute("aria-sort", "ascending")
    expect(table.locator("tbody tr td").nth(1)).to_have_text("0")
    table.get_by_role("button", name="accuracy").click()
    expect(table.locator("tbody tr td").nth(1)).to_have_text("0.975")
    for _ in range(4):
        table.get_by_role("button", name="next rows").click()
    expect(table.locator(".pager")).to_contain_text("rows 33–40 of 40")


def test_html_runs_where_it_reaches_nothing(browser: Any, lab: Lab) -> None:
    page = browser.new_page()  # the refused request is an error on its console
    full = f"{lab.url}/local/shown/runs/reach"
    lab.python(REACH)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(full)
    page.locator(".medium.html").scroll_into_view_if_needed()
    frame = page.frame_locator(".medium.html iframe")
    expect(frame.locator("h1")).to_have_text("Drawn by HTML")
    assert frame.locator("body").get_attribute("data-ran") == "yes"
    assert frame.locator("body").evaluate("() => self.origin") == "null"
    expect(frame.locator("body")).to_have_attribute("data-refused", "yes")
    assert not [url for url in asked if "graphql" in url]
    page.close()


def test_plotly_draws_in_its_frame(page: Page, full: str) -> None:
    page.goto(full)
    page.locator(".medium.plotly").scroll_into_view_if_needed()
    expect(page.frame_locator(".medium.plotly iframe").locator(".main-svg").first).to_be_visible()


def test_dragging_asks_for_what_lies_between(page: Page, full: str) -> None:
    page.goto(full)
    chart = page.locator('#charts figure[data-key="loss"]')
    box = chart.locator(".u-over").bounding_box()
    assert box is not None
    with page.expect_response(lambda reply: "from=" in reply.url) as answer:
        page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 60)
        page.mouse.down()
        page.mouse.move(box["x"] + 0.75 * box["width"], box["y"] + 60, steps=5)
        page.mouse.up()
    told = answer.value.json()["keys"]["loss"]["x"]
    assert 25 <= told[0] < told[-1] <= 48
    assert len(told) > 10
    chart.get_by_role("button", name="all steps").click()
    expect(chart.get_by_role("button")).to_have_count(0)


def test_state_is_in_the_address_and_keys_work(page: Page, full: str) -> None:
    page.goto(full)
    page.keyboard.press("/")
    page.keyboard.type("loss")
    expect(page.locator("#charts figure:visible")).to_have_count(1)
    assert page.url.endswith("?filter=loss")
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("l")
    assert "log=1" in page.url
    page.reload()
    expect(page.locator("#charts figure:visible")).to_have_count(1)
    assert page.locator("#log").is_checked()


def test_a_live_run_is_followed(page: Page, lab: Lab) -> None:
    process = lab.start(LIVE, "25")
    try:
        wait(page, f"{lab.url}/local/shown/runs/live")
        expect(page.locator("#live")).to_have_text("live")
        expect(page.locator("#log-lines")).to_contain_text("line 12", timeout=30_000)
        expect(page.locator('#charts figure[data-key="late"] canvas')).to_have_count(1, timeout=30_000)
        expect(page.locator("#summary")).to_contain_text("loss")
        expect(page.locator("#state")).to_have_text("finished", timeout=30_000)
        expect(page.locator("#log-lines")).to_contain_text("line 24")
    finally:
        process.communicate(timeout=60)


def wait(page: Page, address: str) -> None:
    """Open a page as soon as it is there."""
    for _ in range(100):
        if page.request.get(address).ok:
            page.goto(address)
            return
        page.wait_for_timeout(200)
    raise AssertionError(f"{address} did not come")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_hostile_run_stays_text(page: Page, lab: Lab, shoot: Shoot, theme: Any) -> None:
    if not page.request.get(f"{lab.url}/local/shown/runs/hostile").ok:
        lab.python(HOSTILE, NASTY)
    page.emulate_media(color_scheme=theme)
    page.goto(f"{lab.url}/local/shown/runs/hostile")
    settled(page)
    assert NASTY in page.inner_text("h1")
    assert page.locator("main img[src=x]").count() == 0
    assert page.locator("#charts figure").count() == 5
    assert inside(page) == []
    assert complaints(page) == []
    shoot(page, f"run-hostile-{theme}")


def test_a_run_without_anything(page: Page, lab: Lab, shoot: Shoot) -> None:
    lab.python('wandb.init(id="bare").finish()')
    page.goto(f"{lab.url}/local/shown/runs/bare")
    settled(page)
    text = page.inner_text("main")
    for words in ("No curves: this run has logged no numbers.", "No artifact was made or used."):
        assert words in text
    assert page.locator("#media-section").is_hidden()
    assert complaints(page) == []
    shoot(page, "run-bare")


def test_a_million_rows_are_drawn_and_looked_into(page: Page, tmp_path: Path, shoot: Shoot) -> None:
    """Of two runs, one of which comes from before there was a pyramid; with the metrics of the machine."""
    folder = tmp_path / "long"
    folder.mkdir()
    store = open_store(folder / "server.db")
    with store.write() as tables:
        project = tables.projects.make("p")[0]["id"]
        run = tables.runs.add(project, "long", display_name="long", started=1, state="finished")
        old = tables.runs.add(project, "old", display_name="old", started=1, state="finished")
        tables.lines.put(old, lines.HISTORY, 0, [f'{{"_step":{n},"loss":{n % 9}}}' for n in range(200_000)])
        tables.curves.clear(old)
        told = [f'{{"_runtime":{15 * n},"system.cpu":{n % 100},"system.memory":50}}' for n in range(3_000)]
        tables.lines.put(run, lines.EVENTS, 0, told)
    for start in range(0, 1_000_000, 50_000):
        rows = [
            f'{{"_step":{n},"loss":{math.sin(n / 1e5):.4f},"spike":{int(n == 654_321)}}}'
            for n in range(start, start + 50_000)
        ]
        with store.write() as tables:
            tables.lines.put(run, lines.HISTORY, start, rows)
    store.close()
    server = Server(folder).start()
    try:
        page.goto(f"{server.info.url}/local/p/runs/long")
        expect(page.locator("#charts figure canvas")).to_have_count(2)
        label = page.locator('#charts figure[data-key="spike"] .stage')
        expect(label).to_have_attribute("aria-label", re.compile("from 0 to 1"))
        near = page.evaluate(
            "fetch('/view/local/p/runs/long/curves?key=spike&from=654300&to=654330').then((r) => r.json())"
        )
        assert near["keys"]["spike"]["x"] == list(range(654_300, 654_331))
        assert near["keys"]["spike"]["high"][21] == 1
        page.locator("#system-section summary").click()
        expect(page.locator("#system canvas")).to_have_count(2)
        assert page.locator("#system figcaption").all_inner_texts() == ["cpu", "memory"]
        assert complaints(page) == []
        shoot(page, "run-long")
        page.goto(f"{server.info.url}/local/p/runs/old")
        expect(page.locator("#building")).to_have_text(re.compile(r"Reading rows of before: \d+ %"))
        expect(page.locator("#charts figure canvas")).to_have_count(1, timeout=30_000)
        expect(page.locator("#building")).to_have_text("")
        page.goto("about:blank")
    finally:
        server.end()


def test_what_the_views_refuse(lab: Lab, full: str, page: Page) -> None:
    base = full.replace("/local/", "/view/local/")
    for address, status in (
        ("curves?key=loss&from=x", 400), ("media?key=gone", 404), ("table?path=gone", 404), ("files/gone", 404),
        ("html/..%2F..%2Fserver.db", 404), ("table?path=provenance.toml", 404),
    ):  # fmt: skip
        assert page.request.get(f"{base}/{address}").status == status, address
    told = page.request.get(f"{base}/curves?key=loss&key=gone").json()
    assert told["keys"]["gone"] == {"x": [], "low": [], "high": [], "mean": []}


def test_a_reader_who_is_logged_in_sees_what_is_framed(page: Page, tmp_path: Path) -> None:
    """The cookie goes along to a frame without an origin; nobody else is shown what is in it."""
    with served(tmp_path / "state") as (server, key):
        url = f"http://127.0.0.1:{server.port}"
        folder = tmp_path / "lab"
        folder.mkdir()
        north = Lab(folder, server, client_of(NEWEST), "shown", url, key)
        north.python(FRAMED, WANDB_ENTITY="north")
        address = f"{url}/north/shown/runs/framed"
        assert page.request.get(f"{address.replace('/north/', '/view/north/')}/html/x").status == 401
        page.goto(address)
        page.fill("#key", key)
        page.get_by_role("button", name="Log in").click()
        expect(page.locator("h1")).to_contain_text("framed")
        page.locator(".medium.html").scroll_into_view_if_needed()
        expect(page.frame_locator(".medium.html iframe").locator("h1")).to_have_text("Drawn by HTML")
        page.locator(".medium.plotly").scroll_into_view_if_needed()
        expect(page.frame_locator(".medium.plotly iframe").locator(".main-svg").first).to_be_visible()
        page.goto("about:blank")
