"""Headless Chromium for the tests of the page: Debian's, driven by Playwright, looked over by axe."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Response, expect

ROOT = Path(__file__).parents[1]
AXE = ROOT / "ops" / "page" / "node_modules" / "axe-core" / "axe.min.js"
SHOTS = ROOT / "build" / "screenshots"
WAIT_MS = 60_000
needs_chromium = pytest.mark.skipif(
    shutil.which("chromium") is None, reason="Chromium is not installed; `make chromium` does so on Debian"
)
needs_axe = pytest.mark.skipif(not AXE.exists(), reason="axe-core is not installed; `make page` does so where npm is")
_AXE = """async () => (await axe.run(document, {resultTypes: ["violations"]})).violations
    .filter((found) => ["serious", "critical"].includes(found.impact))
    .map((found) => `${found.id}: ${found.nodes.map((node) => `${node.target} ${node.failureSummary}`).join("; ")}`)"""


@dataclass
class Seen:
    """What went on in a tab.

    Attributes:
        errors: of the console and of scripts.
        responses: everything that was answered.
        failed: addresses of requests that got no answer.
    """

    errors: list[str] = field(default_factory=list)
    responses: list[Response] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    def paths(self) -> list[str]:
        """Paths that were asked for, in order."""
        return ["/" + response.url.split("/", 3)[3] for response in self.responses]


@contextmanager
def tab(browser: Browser, url: str, **options: Any) -> Iterator[tuple[Page, Seen]]:
    """A tab of its own context, on the page; at its end nothing may have gone wrong in it, nor been asked elsewhere."""
    context: BrowserContext = browser.new_context(**{"reduced_motion": "reduce", **options})
    context.set_default_timeout(WAIT_MS)
    expect.set_options(timeout=WAIT_MS)
    page, seen = context.new_page(), Seen()
    page.on("console", lambda told: seen.errors.append(told.text) if told.type == "error" else None)
    page.on("pageerror", lambda error: seen.errors.append(str(error)))
    page.on("response", lambda response: seen.responses.append(response))
    page.on("requestfailed", lambda request: seen.failed.append(request.url))
    try:
        page.goto(url)
        yield page, seen
        assert seen.errors == []
        origin = url.partition("/#")[0]
        assert all(address.startswith(f"{origin}/") for address in [*seen.failed, *(r.url for r in seen.responses)])
        assert [response.url for response in seen.responses if response.status >= 400] == []
    finally:
        context.close()


def barriers(page: Page) -> list[str]:
    """What axe finds serious or critical in a tab as it is now."""
    if not page.evaluate("() => 'axe' in window"):
        page.evaluate(AXE.read_text(encoding="utf-8"))
    found: list[str] = page.evaluate(_AXE)
    return found


def shot(page: Page, name: str) -> None:
    """Keeps a picture of a tab for people to look at."""
    SHOTS.mkdir(parents=True, exist_ok=True)
    picture = page.screenshot(path=SHOTS / f"{name}.png")
    assert len(picture) > 5000, f"{name} is blank"


def is_wider(page: Page, pixels: int) -> bool:
    """Whether what a tab holds is wider than that; a phone zooms out then, so its own width says nothing."""
    return bool(page.evaluate("() => document.scrollingElement.scrollWidth") > pixels)


def settled(page: Page, view: str) -> None:
    """Waits until a view shows what it is for."""
    shown = {
        "": ".wall .card", "shape": ".canvas[data-triangles]", "cluster": ".grid img", "map": ".plane[data-painted]",
        "compare": ".canvas[data-triangles]", "past": ".past .card",
        "rejects": ".rows td", "pipeline": ".stages li", "search": ".drop",
    }  # fmt: skip
    expect(page.locator(shown[view]).first).to_be_visible()
    if view == "compare":
        for side in range(2):
            expect(page.locator(".canvas").nth(side)).to_have_attribute("data-triangles", re.compile(r"[1-9]\d\d"))
    if view == "shape":
        expect(page.locator(".canvas")).to_have_attribute("data-triangles", re.compile(r"[1-9]\d\d"))
        expect(page.locator(".lanes")).to_be_visible()


def drop(page: Page, kind: str, picture: bytes) -> None:
    """Drops a picture onto the page."""
    data = page.evaluate_handle(
        """([kind, raw]) => {
            const data = new DataTransfer();
            data.items.add(new File([Uint8Array.from(raw)], "picture", {type: kind}));
            return data;
        }""",
        [kind, list(picture)],
    )
    page.locator("body").dispatch_event("dragover", {"dataTransfer": data})
    expect(page.locator("body")).to_have_class(re.compile("dropping"))
    page.locator("body").dispatch_event("drop", {"dataTransfer": data})
