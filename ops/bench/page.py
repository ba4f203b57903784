"""How long the page takes to load against a library of made-up shapes, and pictures of it for the docs."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
import trimesh
from PIL import Image

from index.jobs import MESH, PREVIEW
from index.store import Store, Transaction
from index.tables import ARTIFACTS
from ops.bench.browser import chromium
from ops.bench.pages import build, serving
from ops.bench.report import Measure, Report
from recon import Mesh, mesh_to_bytes, render_preview

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

_TARGET_S = 2.0
_CARDS = 48
_CHUNK = 500
_QUALITY = 82
# All cards are there, and so are the pictures of those that can be seen.
_WALL = f"""() => document.querySelectorAll('.card').length >= {_CARDS} && [...document.querySelectorAll('.card img')]
    .filter((image) => image.getBoundingClientRect().top < innerHeight)
    .every((image) => image.complete && image.naturalWidth > 0)"""
_SHAPE = "() => Number(document.querySelector('.canvas')?.dataset.triangles) > 0"
_PHOTOS_MS = 1500


def run(shapes: int, loads: int, tell: Callable[[str], None]) -> Report:
    """Builds a library, serves it and loads the page again and again, each time in a browser that knows nothing of it.

    Args:
        shapes: shapes in the library, each with a picture, the first with a mesh.
        loads: times each view is loaded.
        tell: told of progress.

    Raises:
        ConfigError: there is no browser.
    """
    with TemporaryDirectory(prefix="shapelode-page-") as folder:
        build(Path(folder), shapes, tell)
        illustrate(Path(folder), shapes)
        with serving(Path(folder)) as url, chromium() as browser:
            wall = [_load(browser, f"{url}/", _WALL) for _ in range(loads)]
            tell(f"wall: {loads} loads")
            shape = [_load(browser, f"{url}/#/shape/1", _SHAPE) for _ in range(loads)]
    measures = [
        *_times("the wall, its cards and pictures in sight", [seconds for seconds, _, _ in wall]),
        *_times("a shape's page, drawn in 3D", [seconds for seconds, _, _ in shape]),
        Measure("requests of the wall", float(wall[-1][1]), "context"),
        Measure("kilobytes of the wall", wall[-1][2] / 1000, "context"),
        Measure("kilobytes of a shape's page", shape[-1][2] / 1000, "context"),
    ]
    facts: dict[str, str | int | float] = {"shapes": shapes, "loads": loads, "browser": "headless, empty cache"}
    return Report("the page in a browser", measures, facts)


def _times(name: str, seconds: list[float]) -> list[Measure]:
    target = {"to reach": _TARGET_S}
    return [
        Measure(f"{name}, median s", float(np.median(seconds)), "lower", target),
        Measure(f"{name}, slowest s", max(seconds), "lower", target),
    ]


def _load(browser: Browser, url: str, ready: str) -> tuple[float, int, int]:
    """Seconds until a view is ready, requests until then and bytes of their bodies."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    sizes: list[int] = []
    page.on("response", lambda response: sizes.append(int(response.headers.get("content-length", 0))))
    began = time.perf_counter()
    page.goto(url, wait_until="commit")
    page.wait_for_function(ready)
    seconds = time.perf_counter() - began
    page.close()
    return seconds, len(sizes), sum(sizes)


def illustrate(folder: Path, shapes: int) -> None:
    """Gives every made-up shape the same picture, and the first a mesh."""
    body = trimesh.creation.torus(0.35, 0.14, major_sections=80, minor_sections=40)
    colors = np.clip((body.vertices + 0.5) * 255, 0, 255).astype(np.uint8)
    mesh = Mesh(body.vertices.astype(np.float32), body.faces.astype(np.int64), colors)
    picture = io.BytesIO()
    Image.fromarray(render_preview(mesh, transparent=True)).save(picture, "PNG")
    store = Store(folder, readonly=False, map_size_gib=16.0)

    def work(txn: Transaction, start: int) -> None:
        if start == 1:
            txn.put(ARTIFACTS, (start, 1, MESH), mesh_to_bytes(mesh, "ply"))
        for shape in range(start, min(start + _CHUNK, shapes + 1)):
            txn.put(ARTIFACTS, (shape, 1, PREVIEW), picture.getvalue())

    try:
        for start in range(1, shapes + 1, _CHUNK):
            store.transact(partial(work, start=start))
    finally:
        store.close()


def photograph(state: Path, folder: Path, shape: int | None = None) -> list[Path]:
    """Pictures of the wall and of a shape's page, for the docs.

    Args:
        state: state directory.
        folder: where to.
        shape: which shape, by default the best.

    Returns:
        The files, as WebP.

    Raises:
        ConfigError: there is no browser.
    """
    with serving(state) as url, chromium() as browser:
        page = browser.new_page(viewport={"width": 1280, "height": 860}, reduced_motion="reduce")
        page.goto(f"{url}/#/?order=quality")
        page.wait_for_function("() => document.querySelectorAll('.card').length > 0")
        wall = _picture(page, folder / "page-wall.webp")
        page.locator(f".card[data-shape='{shape}']" if shape is not None else ".card").first.click()
        page.wait_for_function(_SHAPE)
        return [wall, _picture(page, folder / "page-shape.webp")]


def _picture(page: Page, path: Path) -> Path:
    page.wait_for_timeout(_PHOTOS_MS)  # for photos to come
    path.parent.mkdir(parents=True, exist_ok=True)
    drawn = Image.open(io.BytesIO(page.screenshot()), formats=("PNG",))
    drawn.convert("RGB").save(path, "WEBP", quality=_QUALITY)
    return path
