from __future__ import annotations

from pathlib import Path

from PIL import Image

from ops.bench import page
from tests.browser import needs_chromium
from tests.page_library import make_page_library

SHAPES = 60


@needs_chromium
def test_loads_are_timed_beside_what_they_may_take() -> None:
    told: list[str] = []
    report = page.run(SHAPES, 1, told.append)
    found = {measure.name: measure for measure in report.measures}
    times = [measure for name, measure in found.items() if name.endswith(" s")]
    assert len(times) == 4 and all(each.value > 0 and each.baselines == {"to reach": 2.0} for each in times)
    assert 20 < found["requests of the wall"].value < 64
    assert found["kilobytes of a shape's page"].value > 500, "three.js is part of it"
    assert told


@needs_chromium
def test_pictures_for_the_docs_are_small(tmp_path: Path) -> None:
    make_page_library(tmp_path / "state")
    wall, shape = page.photograph(tmp_path / "state", tmp_path / "images")
    for path in (wall, shape):
        assert 5_000 < path.stat().st_size < 200_000
        with Image.open(path, formats=("WEBP",)) as drawn:
            assert drawn.size == (1280, 860)
            assert len(drawn.convert("L").getcolors(256) or []) > 100
