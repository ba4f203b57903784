from __future__ import annotations

from pathlib import Path

import numpy as np

from ops.bench.parts import Settings, run
from ops.bench.truth import load_truth
from ops.synth.shards import write_shards


def test_each_division_is_measured_beside_one_piece(tmp_path: Path) -> None:
    data = tmp_path / "own"
    write_shards(data, shapes=4, views=20, size=48)
    random = np.random.default_rng(0)
    images = load_truth(data).images
    centres = {shape: random.normal(size=16) for shape in sorted({one.shape for one in images.values()})}
    keys = list(images)
    rows = [centres[images[key].shape] + 0.05 * random.normal(size=16) for key in keys]
    (tmp_path / "keep").mkdir()
    np.savez(tmp_path / "keep" / "own.npz", keys=keys, descriptors=rows, backbone="test", fingerprint="f" * 8)
    told: list[str] = []
    report = run([data], Settings(tmp_path / "keep", parts=(2, 4)), told.append)
    figures = {measure.name: measure for measure in report.measures}
    assert len(figures) == 10 and told == ["own: in one piece", "own: in 2 parts", "own: in 4 parts"]
    for parts in (2, 4):
        name = f"own, {parts} parts"
        assert figures[f"{name}: of the 10 nearest images, in the part asked first"].value > 0.9
        assert figures[f"{name}: the same, in the first two"].value > 0.9
        assert 1 <= figures[f"{name}: largest part over the mean"].value < 2
        assert 0 <= figures[f"{name}: ARI"].value <= 1 and "in one piece" in figures[f"{name}: ARI"].baselines
