"""The page in headless Chromium: clicking through its views over the real server and a library of the real writer.

No Ray daemon runs: `shapelode serve` answers with the same app and the same library. The encoder alone is a
stand-in. `test_end_to_end_edits` opens the page of a daemon that runs.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from daemon.access import Access, Token
from daemon.api.server import ApiServer
from daemon.client import Client
from index.curation import ClusterEdit
from ops.bench.browser import chromium
from ops.fsck import check_state
from tests.browser import barriers, drop, is_wider, needs_axe, needs_chromium, settled, shot, tab
from tests.library_factory import box_ply, make_library, png
from tests.page_library import CHAIRS, OTHERS, STRANGER, ChairBackbone, make_crowded_library, make_page_library
from tests.test_daemon_client import Recorder

pytestmark = needs_chromium
FITTING = CHAIRS - 1
PHONE_WIDTH = 390
PHONE = {
    "viewport": {"width": PHONE_WIDTH, "height": 844},
    "has_touch": True,
    "is_mobile": True,
    "device_scale_factor": 2,
}
SHAPES = 10_000
MOST_TABS = 60
_REACH = """() => {
    const focused = document.activeElement;
    if (focused === document.body) return "of the page's frame";
    reached.add(focused);
    const seen = focused.id === "pick" ? focused.nextElementSibling : focused; // the label stands for the input
    return getComputedStyle(seen).outlineStyle;
}"""
VIEWS = ("", "shape", "cluster", "compare", "past", "map", "rejects", "pipeline", "search")


class Served:
    """A running server and the cluster that is the chair's."""

    def __init__(self, url: str, chair: int) -> None:
        self.url = url
        self.chair = chair

    def at(self, view: str) -> str:
        of_one = {"shape": f"/{self.chair}", "cluster": f"/{self.chair}", "compare": f"/{self.chair}/1/2"}
        return f"{self.url}/#/{view}{of_one.get(view, '')}"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("state")
    chair = make_page_library(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("daemon.query._load", lambda name: ChairBackbone())
        with ApiServer(folder, port=0) as server:
            yield Served(server.url, chair)


@pytest.fixture(scope="module", params=VIEWS, ids=lambda view: view or "wall")
def shown(request: pytest.FixtureRequest, browser: Browser, served: Served) -> Iterator[tuple[Page, str]]:
    """Each view in a tab of its own."""
    with tab(browser, served.at(request.param), color_scheme="light") as (page, _):
        settled(page, request.param)
        yield page, request.param


def test_the_wall_counts_grows_and_turns_what_is_pointed_at(browser: Browser, served: Served) -> None:
    with tab(browser, served.url, reduced_motion="no-preference") as (page, _):
        expect(page.locator(".counters [data-name=images] dd")).to_have_text(str(CHAIRS + OTHERS))
        expect(page.locator(".counters [data-name=rejected] dd")).to_have_text("3")
        expect(page.locator(".growth svg")).to_have_attribute("aria-label", re.compile("shapes 0 to 1"))
        expect(page.locator(".wall .card")).to_have_count(1)
        expect(page.locator(".growing .cluster").first).to_be_visible()
        page.locator(".card").hover()
        turning = page.locator(".card .turning")
        expect(turning).to_have_attribute("data-triangles", re.compile(r"[1-9]\d\d"))
        before = turning.get_attribute("data-angle") or ""
        expect(turning).not_to_have_attribute("data-angle", before)
        shot(page, "wall")
        page.locator("h1").hover(force=True)
        expect(turning).to_have_count(0)
        page.locator(".card").click()
        settled(page, "shape")
        before = page.locator(".canvas").get_attribute("data-azimuth") or ""
        expect(page.locator(".canvas")).not_to_have_attribute("data-azimuth", before)
        page.get_by_role("button", name="Spin").click()
        expect(page.get_by_role("button", name="Spin")).to_have_attribute("aria-pressed", "false")


def test_what_happens_to_the_library_is_shown_while_it_happens(browser: Browser, served: Served) -> None:
    with (
        tab(browser, served.at("pipeline")) as (pipeline, _),
        tab(browser, served.url) as (page, _),
        Client(served.url) as client,
    ):
        expect(pipeline.locator(".feed li").first).to_be_visible()
        expect(page.locator(".card strong")).to_have_text(f"Shape {served.chair}")
        assert pipeline.locator(".kind.edited").count() == 0
        client.edit(ClusterEdit(served.chair, name="the chair", add_tags=("seat",)))
        expect(pipeline.locator(".kind.edited")).to_have_count(1)
        expect(page.locator(".card strong")).to_have_text("the chair")
        page.get_by_label("Tag").fill("no such tag")
        page.get_by_label("Tag").press("Enter")
        expect(page.locator(".empty").first).to_be_visible()
        page.get_by_label("Tag").fill("seat")
        page.get_by_label("Tag").press("Enter")
        expect(page.locator(".wall .card")).to_have_count(1)


def test_a_library_with_a_token_asks_for_it_and_shows_nothing_before(browser: Browser, tmp_path: Path) -> None:
    access = Access(Token("a token that is long"))
    writer = Recorder()
    with ApiServer(make_library(tmp_path), port=0, access=access, edit=writer) as server:
        context = browser.new_context()  # not a `tab`: refusals are errors of the console, and wanted here
        page = context.new_page()
        page.goto(server.url)
        page.get_by_label("Token").fill("a token that is wrong")
        page.get_by_role("button", name="Open").click()
        expect(page.locator(".note")).to_contain_text("not the token")
        assert page.locator(".card").count() == 0
        page.get_by_label("Token").fill("a token that is long")
        page.get_by_role("button", name="Open").click()
        expect(page.locator(".card")).to_have_count(2)
        page.locator(".card").first.click()
        page.get_by_label("Name").fill("named by one who may")
        with page.expect_response("**/v1/edits") as answer:
            page.get_by_role("button", name="Save").click()
        assert answer.value.status == 200
        assert writer.edits == [ClusterEdit(1, name="named by one who may")]
        context.close()


def test_a_shape_with_its_photos_around_it_its_versions_and_where_it_came_from(
    browser: Browser, served: Served
) -> None:
    with tab(browser, served.url) as (page, seen):
        page.locator(".card").first.click()
        settled(page, "shape")
        canvas = page.locator(".canvas")
        expect(canvas).to_have_attribute("data-frusta", str(FITTING))
        page.wait_for_timeout(300)  # for the photos to come
        shot(page, "shape")
        page.get_by_role("button", name="Photos around it").click()
        expect(canvas).to_have_attribute("data-frusta", "0")
        expect(page.locator(".worst li")).to_have_count(6)
        assert page.locator(f".worst [data-image='{STRANGER}']").count() == 0
        losses = [float(text.split()[1]) for text in page.locator(".worst span").all_text_contents()]
        assert losses == sorted(losses, reverse=True)
        expect(page.locator(".worst span").first).to_have_text(re.compile(r"^loss 0\.\d{3} · \d+ % sure$"))
        page.locator(".worst button").first.click()
        expect(canvas).to_have_attribute("data-through", re.compile(r"\d+"))
        expect(page.locator(".behind")).to_be_visible()
        canvas.press("ArrowLeft")
        expect(page.locator(".behind")).to_be_hidden()
        slider = page.get_by_role("slider", name="Versions")
        expect(slider).to_have_attribute("aria-valuetext", re.compile("version 2, published, loss 0.250"))
        slider.press("ArrowLeft")
        expect(canvas).to_have_attribute("data-version", "1")
        expect(page).to_have_url(re.compile(rf"#/shape/{served.chair}/1$"))
        expect(page.locator(".figures dd").first).to_contain_text("0.300")
        slider.press("End")
        expect(page.locator(".caption")).to_have_text("this attempt found no shape")
        expect(canvas).to_have_attribute("data-triangles", "0")
        slider.press("ArrowLeft")
        expect(canvas).to_have_attribute("data-triangles", re.compile(r"[1-9]\d\d"))
        expect(page.locator(".facts .note")).to_contain_text("candidate: no better than version 2")
        expect(page.locator(".timeline .small")).to_contain_text("against version 2: loss +0.150")
        expect(page.locator(".lineage .events")).to_contain_text("appeared")
    asked = Counter(path.split("?")[0] for path in seen.paths())
    assert asked[f"/v1/shapes/{served.chair}/export"] == 3


def test_keypoints_are_drawn_through_the_surface(browser: Browser, served: Served) -> None:
    with tab(browser, served.at("shape")) as (page, _), Client(served.url) as client:
        settled(page, "shape")
        canvas, button = page.locator(".canvas"), page.get_by_role("button", name="Keypoints")
        before = int(canvas.get_attribute("data-triangles") or 0)
        button.click()
        count = len(client.keypoints(served.chair).points)
        expect(canvas).to_have_attribute("data-keypoints", str(count))
        expect(canvas).not_to_have_attribute("data-triangles", str(before))
        assert count > 4 and int(canvas.get_attribute("data-triangles") or 0) > before + count
        page.wait_for_timeout(300)  # for the photos to come
        shot(page, "keypoints")
        button.click()
        expect(canvas).to_have_attribute("data-keypoints", "0")


def test_images_from_the_side_that_is_shown_and_of_a_time(browser: Browser, served: Served) -> None:
    with tab(browser, served.at("shape")) as (page, _):
        settled(page, "shape")
        everything = page.locator(".photos .grid").last.locator("li")
        before = everything.count()
        page.get_by_role("button", name="From the side shown").click()
        told = page.locator(".found [role=status]")
        expect(told).to_have_text(re.compile(r"^\d+ images? taken within 30° of this side"))
        some = page.locator(".found li").count()
        assert 0 < some < before
        first = page.locator(".found img").first.get_attribute("src")
        page.locator(".canvas").press("ArrowLeft")
        for _ in range(25):
            page.locator(".canvas").press("ArrowLeft")
        page.get_by_role("button", name="From the side shown").click()
        expect(page.locator(".found")).to_be_hidden()
        page.get_by_role("button", name="From the side shown").click()
        expect(page.locator(".found img").first).not_to_have_attribute("src", first or "")
        page.get_by_role("button", name="From the side shown").click()
        page.get_by_label("Stored since").fill("2001-01-01")
        expect(told).to_have_text(f"{FITTING} images, best first")
        page.get_by_label("before").fill("2001-01-02")
        expect(told).to_have_text("0 images, best first")


def test_two_versions_turn_side_by_side(browser: Browser, served: Served) -> None:
    with tab(browser, served.at("shape")) as (page, _):
        settled(page, "shape")
        page.get_by_role("link", name="Side by side with version 1").click()
        settled(page, "compare")
        left, right = page.locator(".canvas").first, page.locator(".canvas").last
        before = right.get_attribute("data-azimuth") or ""
        assert left.get_attribute("data-azimuth") == before
        left.press("ArrowRight")
        expect(right).not_to_have_attribute("data-azimuth", before)
        expect(left).to_have_attribute("data-azimuth", right.get_attribute("data-azimuth") or "")
        expect(page.locator("tbody tr").first).to_contain_text("0.3000.250\N{MINUS SIGN}0.050")
        shot(page, "compare")
        page.get_by_label("and version").select_option(label="3, candidate")
        expect(page).to_have_url(re.compile(r"/1/3$"))
        expect(page.locator("tbody tr").first).to_contain_text("0.3000.400+0.100")


def test_the_library_as_it_was(browser: Browser, served: Served) -> None:
    with tab(browser, served.url) as (page, _):
        page.get_by_role("link", name="Then").click()
        settled(page, "past")
        expect(page.locator(".told")).to_contain_text(f"After {CHAIRS + OTHERS} images")
        shot(page, "past")
        slider = page.get_by_role("slider", name="After so many images")
        slider.press("Home")
        expect(page.locator(".told")).to_contain_text(f"After {CHAIRS} images")
        expect(page.locator(".card")).to_have_count(0)
        slider.press("End")
        expect(page.locator(".card")).to_have_count(1)
        page.locator(".card").click()
        settled(page, "shape")


def test_shapes_like_a_shape_and_like_a_mesh(browser: Browser, tmp_path: Path) -> None:
    with ApiServer(make_library(tmp_path), port=0) as server, tab(browser, f"{server.url}/#/shape/1") as (page, _):
        page.locator(".alike").scroll_into_view_if_needed()
        expect(page.locator(".alike .hit")).to_have_count(1)
        expect(page.locator(".alike .hit")).to_contain_text(re.compile(r"Shape 2form [01]\.\d+, look -?[01]\.\d+"))
        page.get_by_role("button", name="By look").click()
        expect(page.get_by_role("button", name="By look")).to_have_attribute("aria-pressed", "true")
        expect(page.locator(".alike .hit")).to_have_count(1)
        shot(page, "alike")
        page.get_by_role("link", name="Search").click()
        files = [{"name": "box.PLY", "mimeType": "application/octet-stream", "buffer": box_ply((1.0, 0.6, 0.4))}]
        page.locator("#pick").set_input_files(files)  # type: ignore[arg-type]
        expect(page.locator(".hit")).to_have_count(2)
        expect(page.locator(".hit").first).to_contain_text("Shape 1")
        shot(page, "search-mesh")


def test_what_people_say_is_said_on_the_page(browser: Browser, tmp_path: Path) -> None:
    chair = make_page_library(tmp_path)
    with ApiServer(tmp_path, port=0) as server, tab(browser, f"{server.url}/#/shape/{chair}") as (page, _):
        settled(page, "shape")
        page.get_by_label("Name").fill("a red chair")
        page.get_by_role("button", name="Save").click()
        expect(page.locator("h1")).to_contain_text("a red chair")
        page.get_by_label("Tags").last.fill("seat")
        page.get_by_label("Tags").last.press("Enter")
        expect(page.get_by_role("button", name="Remove the tag seat")).to_be_visible()
        expect(page.locator("#new-tag")).to_be_focused()
        pin = page.get_by_role("button", name="Pinned")
        pin.click()
        expect(pin).to_have_attribute("aria-pressed", "true")
        expect(pin).to_be_focused()
        shot(page, "said")
        page.get_by_role("button", name="Remove the tag seat").click()
        expect(page.get_by_role("button", name="Remove the tag seat")).to_have_count(0)
        page.get_by_role("button", name="Hidden").click()
        expect(page.get_by_role("button", name="Hidden")).to_have_attribute("aria-pressed", "true")
        page.get_by_role("link", name="Shapes", exact=True).click()
        expect(page.locator(".empty").first).to_be_visible()
        page.get_by_label("hidden ones").check()
        expect(page.locator(".card strong")).to_have_text("a red chair")
        with Client(server.url) as client:
            found = client.cluster(chair)
            assert (found.name, found.tags, found.pinned, found.hidden) == ("a red chair", (), True, True)
        _go_back_a_version(page, chair)
        _send_images_away(page, chair)
        _quarantine_a_source(page)
        _delete_the_cluster(page, chair)
        with Client(server.url) as client:
            assert client.shapes(hidden="any").items == []
    assert check_state(tmp_path).findings == []


def _go_back_a_version(page: Page, chair: int) -> None:
    page.locator(".card").click()
    settled(page, "shape")
    slider = page.get_by_role("slider", name="Versions")
    slider.press("Home")
    expect(page.locator(".canvas")).to_have_attribute("data-version", "1")
    page.get_by_role("button", name="Make this the current version").click()
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.get_by_role("button", name="Make this the current version").click()
    shot(page, "confirm")
    page.get_by_role("button", name="Make it current").click()
    expect(page.locator(".canvas")).to_have_attribute("data-version", "5")
    expect(page.locator(".figures")).to_contain_text("a roll-back to version 1")


def _send_images_away(page: Page, chair: int) -> None:
    page.get_by_role("link", name="All images of its cluster").click()
    expect(page.locator(".grid .photo")).to_have_count(CHAIRS)
    for number in range(2):
        page.locator(".grid .photo").nth(number).click()
    expect(page.locator(".chosen")).to_contain_text("2 images chosen")
    shot(page, "chosen")
    page.get_by_role("button", name="Put in quarantine").click()
    expect(page.locator(".photo.stranger")).to_have_count(2)
    page.locator(".photo.stranger").first.click()
    page.get_by_role("button", name="Release").click()
    expect(page.locator(".photo.stranger")).to_have_count(1)
    page.locator(".photo.stranger").first.click()
    page.locator(".chosen").get_by_role("button", name="Delete…").click()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.locator(".chosen").get_by_role("button", name="Delete…").click()
    page.get_by_role("button", name="Delete", exact=True).click()
    expect(page.locator(".grid .photo")).to_have_count(CHAIRS - 1)
    expect(page.locator("article p").first).to_contain_text(f"{CHAIRS - 1} images")


def _quarantine_a_source(page: Page) -> None:
    page.get_by_role("link", name="Pipeline").click()
    page.get_by_role("button", name="Quarantine /crawl/others.tar").click()
    page.get_by_role("button", name="Put in quarantine", exact=True).click()
    expect(page.get_by_role("button", name="Release /crawl/others.tar")).to_be_visible()
    expect(page.locator(".shards")).to_contain_text("in quarantine")


def _delete_the_cluster(page: Page, chair: int) -> None:
    page.goto(page.url.partition("#")[0] + f"#/cluster/{chair}")
    page.locator(".said").get_by_role("button", name="Delete…").click()
    expect(page.get_by_role("dialog")).to_contain_text(f"with its {CHAIRS - 1} images")
    page.get_by_role("button", name="Delete", exact=True).click()
    expect(page.locator(".empty").first).to_be_visible()


def test_a_frustum_that_is_clicked_is_looked_through(browser: Browser, served: Served) -> None:
    with tab(browser, served.at("shape")) as (page, _):
        settled(page, "shape")
        canvas = page.locator(".canvas")
        box = canvas.bounding_box()
        assert box is not None
        for row, column in ((row, column) for row in range(3, 9) for column in range(1, 12)):
            canvas.click(position={"x": box["width"] * column / 12, "y": box["height"] * row / 12})
            if canvas.get_attribute("data-through"):
                break
        expect(page.locator(".caption")).to_contain_text("as image")
        assert page.locator(".photo[aria-pressed=true]").count() >= 1


def test_a_browser_that_cannot_draw_shows_pictures_and_says_so(browser: Browser, served: Served) -> None:
    with tab(browser, served.url) as (page, _):
        page.add_init_script("HTMLCanvasElement.prototype.getContext = () => null")
        page.reload()
        page.locator(".card").hover()
        expect(page.locator("#toast")).to_contain_text("no WebGL 2")
        page.locator(".card").click()
        expect(page.locator(".caption")).to_contain_text("no WebGL 2")
        expect(page.get_by_alt_text("A picture of the shape")).to_be_visible()
        page.locator(".photo").first.click()
        expect(page.get_by_role("slider", name="Versions")).to_be_enabled()


def test_an_image_that_is_dropped_finds_its_shape_and_from_where_it_was_taken(browser: Browser, served: Served) -> None:
    with tab(browser, served.url) as (page, _):
        drop(page, "image/png", png((1, 0, 1)))
        expect(page.locator(".hit").first).to_be_visible()
        expect(page.locator(".overlay[data-drawn]")).to_be_visible()
        expect(page.locator(".pose")).to_contain_text(re.compile(r"azimuth \d+°.*loss 0\.\d+"))
        colours = page.locator(".overlay").evaluate(
            "(canvas) => new Set(canvas.getContext('2d').getImageData(0, 0, 224, 224).data).size"
        )
        assert colours > 10
        shot(page, "search")
        page.locator("#pick").set_input_files({"name": "text.png", "mimeType": "image/png", "buffer": png((1, 0, 2))})
        expect(page.locator(".overlay[data-drawn]")).to_be_visible()
        page.locator(".hit").first.click()
        settled(page, "shape")


def test_the_map_is_gone_about_with_keys_and_pointer(browser: Browser, served: Served) -> None:
    with tab(browser, served.at("map")) as (page, _), Client(served.url) as client:
        settled(page, "map")
        points = client.map().points
        assert page.locator(".plane").get_attribute("data-points") == str(len(points))
        page.locator(".plane").focus()
        told = set()
        for key in ("ArrowRight", "ArrowRight", "ArrowLeft", "ArrowUp", "ArrowDown"):
            page.keyboard.press(key)
            told.add(page.locator(".map .told").text_content())
        assert len(told) >= 2 and all(told)
        shot(page, "map")
        page.keyboard.press("+")
        page.keyboard.press("0")
        page.keyboard.press("Enter")
        expect(page).to_have_url(re.compile(r"#/(shape|cluster)/\d+"))
        page.go_back()
        page.locator(".map .chip").first.click()
        settled(page, "shape")


def test_rejects_by_reason(browser: Browser, served: Served) -> None:
    with tab(browser, served.at("rejects")) as (page, _):
        expect(page.locator(".rows tbody tr")).to_have_count(3)
        page.get_by_role("link", name="too small 2").click()
        expect(page.locator(".rows tbody tr")).to_have_count(2)
        expect(page.locator(".rows td").nth(3)).to_have_text(re.compile("found by a test"))


def test_the_pipeline_says_that_no_daemon_runs_and_how_far_the_shards_are(browser: Browser, served: Served) -> None:
    with tab(browser, served.at("pipeline")) as (page, _):
        expect(page.locator(".health")).to_contain_text("no daemon runs")
        expect(page.locator(".stages li")).to_have_count(6)
        expect(page.locator(".stages")).to_contain_text("1 of 2 shards")
        expect(page.locator(".stages")).to_contain_text("4 tried")
        expect(page.locator(".shards li")).to_have_count(2)
        shot(page, "pipeline")


@needs_axe
def test_axe_finds_no_barrier_in_light_or_dark(shown: tuple[Page, str]) -> None:
    page, view = shown
    assert barriers(page) == []
    light = page.evaluate("() => getComputedStyle(document.body).backgroundColor")
    page.locator("#theme").click()
    assert page.evaluate("() => getComputedStyle(document.body).backgroundColor") != light
    shot(page, f"dark-{view or 'wall'}")
    assert barriers(page) == []


@needs_axe
def test_axe_would_find_a_barrier(browser: Browser, served: Served) -> None:
    with tab(browser, served.url) as (page, _):
        settled(page, "")
        page.evaluate("() => document.querySelector('#theme').replaceChildren()")
        page.evaluate("() => document.querySelector('#theme').removeAttribute('aria-label')")
        assert any(found.startswith("button-name") for found in barriers(page))


def test_everything_is_reached_with_the_keyboard(shown: tuple[Page, str]) -> None:
    page, _ = shown
    wanted = page.evaluate(
        """() => [...document.querySelectorAll("a[href], button, input, select, canvas[tabindex]")]
            .filter((element) => element.checkVisibility() && !element.disabled).length"""
    )
    parts = 3 * page.locator("input[type=date]").count()  # month, day, year and calendar take a key each
    page.evaluate("() => { document.activeElement.blur(); window.reached = new Set(); }")
    presses = min(wanted, MOST_TABS) + 2 + parts
    outlines = [page.keyboard.press("Tab") or page.evaluate(_REACH) for _ in range(presses)]
    assert page.evaluate("() => reached.size") >= min(wanted, MOST_TABS)
    assert set(outlines) <= {"solid", "auto", "of the page's frame"}, "where the focus is can be seen"


def test_the_way_to_a_shape_and_back_needs_no_pointer(browser: Browser, served: Served) -> None:
    with tab(browser, served.url) as (page, _):
        settled(page, "")
        page.keyboard.press("Tab")
        expect(page.locator(".skip")).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.locator("#main")).to_be_focused()
        for _ in range(12):
            page.keyboard.press("Tab")
            if page.locator(".card:focus").count():
                break
        assert page.locator(".card:focus").evaluate("(card) => getComputedStyle(card).outlineStyle") == "solid"
        page.keyboard.press("Enter")
        settled(page, "shape")
        canvas = page.locator(".canvas")
        before = canvas.get_attribute("data-azimuth") or ""
        canvas.press("ArrowRight")
        expect(canvas).not_to_have_attribute("data-azimuth", before)


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view or "wall")
def test_nothing_is_wider_than_a_phone(browser: Browser, served: Served, view: str) -> None:
    with tab(browser, served.at(view), **PHONE) as (page, _):
        settled(page, view)
        assert not is_wider(page, PHONE_WIDTH)
        shot(page, f"phone-{view or 'wall'}")
        page.evaluate("() => { document.querySelector('h1').style.width = '900px'; }")
        assert is_wider(page, PHONE_WIDTH), "this would not be noticed"


def test_of_ten_thousand_shapes_one_page_is_asked_for(browser: Browser, tmp_path: Path) -> None:
    make_crowded_library(tmp_path, SHAPES)
    with ApiServer(tmp_path, port=0) as server, tab(browser, server.url) as (page, seen):
        expect(page.locator(".counters [data-name=shapes] dd")).to_have_text("10,000")
        expect(page.locator(".wall .card")).to_have_count(48)
        page.wait_for_timeout(500)
        asked = Counter(re.sub(r"/\d+", "/N", path.split("?")[0]) for path in seen.paths())
        assert asked["/v1/shapes"] == 1 and asked["/v1/shapes/N/preview.png"] <= 48
        assert asked["/v1/clusters/N/images"] == 0 and asked["/page/three.js"] == 0
        assert sum(asked.values()) <= 48 + 12, asked
        answered = [r for r in seen.responses if "/v1/events" not in r.url]
        sizes = {r.url: int(r.header_value("content-length") or 0) for r in answered}
        assert 20_000 < sum(sizes.values()) < 400_000, sizes
        page.get_by_role("button", name="Show more shapes").click()
        expect(page.locator(".wall .card")).to_have_count(96)
        assert sum(path.startswith("/v1/shapes?") for path in seen.paths()) == 2
