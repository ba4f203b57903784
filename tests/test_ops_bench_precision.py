"""The benchmark of the encoder's arithmetic: each kind sees every image, and is compared with float32."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from index.backbones.embedded import EmbeddedBackbone
from index.views import CROP_SIZE, ObjectView
from ops.bench import precision
from ops.bench.precision import TorchInt8Backbone, run
from ops.errors import RejectError
from ops.synth.render import photograph
from ops.synth.shapes import make_shapes
from ops.synth.shards import write_shards


class Encoder:
    """Describes pictures by their mean colour, more or less exactly; may see nothing in every third."""

    def __init__(self, noise: float, blind: bool = False) -> None:
        self._random = np.random.default_rng(0)
        self._noise, self._blind = noise, blind
        self.batches: list[int] = []

    def embed(self, images: list[np.ndarray]) -> list[ObjectView | RejectError]:
        self.batches.append(len(images))
        return [self._one(number, image) for number, image in enumerate(images)]

    def _one(self, number: int, image: np.ndarray) -> ObjectView | RejectError:
        if self._blind and number % 3 == 0:
            return RejectError("no_foreground", "")
        vector = image.reshape(-1, 3).mean(0) - 128 + self._noise * self._random.normal(size=3)
        mask = np.zeros((CROP_SIZE, CROP_SIZE), bool)
        mask[: CROP_SIZE // 2 if self._noise else CROP_SIZE] = True
        unit = (vector / np.linalg.norm(vector)).astype(np.float32)
        return ObjectView(unit, np.zeros((CROP_SIZE, CROP_SIZE, 3), np.uint8), mask, (0, 0, 9, 9), (9, 9), 0.5)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_shards(folder, shapes=2, views=12, size=48, per_shard=10)
    return folder


def test_every_kind_sees_every_image_and_stands_beside_float32(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: dict[str, Any] = {"fp32": Encoder(0.0), "bf16": Encoder(0.0), "int8": Encoder(30.0, blind=True)}
    monkeypatch.setattr(precision, "encoders", lambda: made)
    report = run(data, 20)
    assert all(encoder.batches == [16, 4] for encoder in made.values()) and report.facts["images"] == 20
    measures = {measure.name: measure for measure in report.measures}
    assert measures["bf16: cosine of descriptors"].value == pytest.approx(1, abs=1e-6)
    assert measures["bf16: IoU of masks"].value == 1 and measures["int8: IoU of masks"].value == 0.5
    assert measures["int8: cosine of descriptors"].value < 0.99
    assert measures["int8: objects found in one of the two"].value == 8
    assert measures["bf16: ARI"].value == measures["bf16: ARI"].baselines["fp32"]
    assert measures["int8: processor time of an image, ms"].value >= 0


def test_groups_are_judged_by_the_truth() -> None:
    random = np.random.default_rng(0)
    crop, mask = np.zeros((CROP_SIZE, CROP_SIZE, 3), np.uint8), np.ones((CROP_SIZE, CROP_SIZE), bool)
    truth = {f"{number:03d}": f"shape {number % 12}" for number in range(120)}
    centres = random.normal(size=(12, 64))
    views = {}
    for number, key in enumerate(truth):
        vector = centres[number % 12] + 0.3 * random.normal(size=64)
        unit = (vector / np.linalg.norm(vector)).astype(np.float32)
        views[key] = ObjectView(unit, crop, mask, (0, 0, 9, 9), (9, 9), 0.5)
    assert precision.partition(views, truth).ari > 0.9
    muddled = dict(zip(truth, random.permutation(list(truth.values())).tolist(), strict=True))
    assert precision.partition(views, muddled).ari < 0.2


def test_8_bit_layers_see_what_the_others_see() -> None:
    picture = photograph(make_shapes(1, 3)[0], np.random.default_rng(3), 160).image
    (exact,), (coarse,) = EmbeddedBackbone(precision="fp32").embed([picture]), TorchInt8Backbone().embed([picture])
    assert isinstance(exact, ObjectView) and isinstance(coarse, ObjectView)
    assert 0.9 < float(exact.descriptor @ coarse.descriptor) < 1 - 1e-5
