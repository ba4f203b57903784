"""The page of a running daemon, and people who change its library: its writer does it, and all of them are shown it."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from daemon.client import Client
from index.curation import ImageEdit
from ops.bench.browser import chromium
from ops.fsck import check_state
from ops.synth.shards import write_shards
from tests.browser import drop, needs_chromium, settled, shot, tab
from tests.test_end_to_end import ONE_EACH, command, shapelode

EARLY = ["--set", "recon.min_views=8"]
DRAFT = ["--set", "recon.effort=draft", "--set", "recon.growth=3", "--set", "recon.workers=1"]
OPTIONS = ["--follow", "--no-metrics", "--port", "0", "--set", "stream.batch_size=8", *ONE_EACH, *EARLY, *DRAFT]
WAIT_S = 180
SHAPES, IMAGES = 2, 40


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """State directory and address of a daemon that has mined its shard, published a shape and waits for more."""
    folder = tmp_path_factory.mktemp("running")
    shards = write_shards(folder / "crawl", shapes=SHAPES, views=IMAGES // SHAPES, seed=1, per_shard=IMAGES)
    state = folder / "state"
    with subprocess.Popen(
        command("run", "--shards", str(shards), "--state", str(state), *OPTIONS), stderr=subprocess.PIPE, text=True
    ) as daemon:
        try:
            url = _place(state, daemon)
            with Client(url) as client:
                deadline = time.monotonic() + WAIT_S
                while not client.status().shapes and time.monotonic() < deadline:
                    time.sleep(0.2)
                assert client.status().images == IMAGES and client.status().shapes
            yield state, url
        finally:
            daemon.terminate()
            told = daemon.communicate(timeout=WAIT_S)[1]
    assert daemon.returncode == 0, told
    assert check_state(state).findings == [] and not (state / "api.json").exists()


@needs_chromium
def test_the_page_shows_what_the_daemon_has_mined(running: tuple[Path, str]) -> None:
    _, url = running
    with chromium() as browser, tab(browser, url) as (page, _), Client(url) as client:
        shape = client.shapes().items[0]
        expect(page.locator(".counters [data-name=images] dd")).to_have_text(str(IMAGES))
        page.locator(".wall .card").first.click()
        settled(page, "shape")
        shot(page, "mined")
        camera = max(client.cameras(shape.id).items, key=lambda each: each.weight - each.loss)
        drop(page, "image/jpeg", client.crop(camera.image))
        expect(page.locator(".hit").first).to_have_attribute("href", f"#/shape/{shape.id}")
        expect(page.locator(".overlay[data-drawn]").first).to_be_visible()  # the other shape may be out by now, too
        expect(page.locator(".pose").first).to_contain_text(re.compile(r"azimuth \d+°.*loss 0\.\d+"))
        shot(page, "mined-search")
        for view in ("map", "pipeline"):
            page.goto(f"{url}/#/{view}")
            settled(page, view)
        page.goto(f"{url}/#/rejects")
        expect(page.get_by_text("all 0", exact=True)).to_be_visible()


def test_the_shell_and_the_client_ask_the_daemon(running: tuple[Path, str]) -> None:
    state, url = running
    with Client(url) as client:
        done = shapelode("delete", "--image", "3", "--yes", "--json", "--state", str(state))
        assert json.loads(done.stdout) == {"changed": True, "images": 1}, done.stderr
        assert client.status().images == IMAGES - 1
        assert client.edit(ImageEdit((1,), "quarantine")).changed and client.image(1).quarantined


@needs_chromium
def test_the_page_shows_what_the_daemon_is_at_and_what_is_asked_of_it(running: tuple[Path, str]) -> None:
    _, url = running
    with chromium() as browser, tab(browser, f"{url}/#/pipeline") as (page, _), Client(url) as client:
        expect(page.locator(".health")).to_have_text("the daemon is running")
        expect(page.locator(".stages")).to_contain_text(re.compile(r"1 of 1 shards.*0 waiting.*\d+ s spent"))
        before = page.locator(".kind.images_quarantined").count()
        client.edit(ImageEdit((2,), "quarantine"))
        expect(page.locator(".kind.images_quarantined")).to_have_count(before + 1)
        shard = client.shards().items[0].url
        page.get_by_role("button", name=f"Quarantine {shard}").click()
        page.get_by_role("button", name="Put in quarantine", exact=True).click()
        expect(page.locator(".kind.source_quarantined")).to_have_count(1)
        assert client.shards().items[0].quarantined
        page.get_by_role("button", name=f"Release {shard}").click()
        page.get_by_role("button", name="Release", exact=True).click()
        expect(page.locator(".kind.source_released")).to_have_count(1)
        page.get_by_role("link", name="Shapes", exact=True).click()
        expect(page.locator(".counters [data-name=images] dd")).to_have_text(str(client.status().images))


def _place(state: Path, daemon: subprocess.Popen[str]) -> str:
    deadline = time.monotonic() + WAIT_S
    while not (state / "api.json").exists() and time.monotonic() < deadline:
        assert daemon.poll() is None, "the daemon ended"
        time.sleep(0.1)
    url: str = json.loads((state / "api.json").read_text())["url"]
    return url
