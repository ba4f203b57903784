from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ops.bench import correspond
from ops.bench.correspond import Settings
from ops.bench.similar import CHANCE, D2, kind, ranked, run
from ops.bench.truth import load_truth
from ops.synth.shapes import make_shapes
from ops.synth.shards import write_shards
from recon import Mesh, Reconstruction, Views
from tests.patch_encoder import PatchEncoder
from tests.recon_scene import make_scene, true_result


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_shards(folder, shapes=3, views=4, size=64)
    return folder


@pytest.mark.parametrize("other", [False, True])
def test_what_is_mined_well_finds_itself_and_what_is_not_does_not(
    data: Path, monkeypatch: pytest.MonkeyPatch, other: bool
) -> None:
    truth = load_truth(data)
    name = truth.shapes[0]

    def mined(views: Views, *_: object, **__: object) -> Reconstruction:
        found = true_result(make_scene(len(views)))
        body = truth.mesh(truth.shapes[1] if other else name)
        vertices, faces = np.asarray(body.vertices, np.float32), np.asarray(body.faces, np.int32)
        assert found.shape is not None
        mesh = Mesh(vertices[:, [2, 1, 0]] * (1, 1, -1), faces, np.zeros((len(vertices), 3), np.uint8))
        return replace(found, shape=replace(found.shape, mesh=mesh))

    monkeypatch.setattr(correspond, "load_backbone", lambda name: PatchEncoder())
    monkeypatch.setattr(correspond, "reconstruct", mined)
    told: list[str] = []
    report = run(data, Settings([name]), told.append)
    itself, its_kind = report.measures
    assert itself.value == (0 if other else 1) and told[0].startswith(name)
    assert itself.baselines == {D2: itself.value, CHANCE: pytest.approx(1 / 3)}
    assert its_kind.value >= itself.value


def test_most_alike_come_first() -> None:
    known = {shape.name: (shape.vertices, shape.faces) for shape in make_shapes(6, 2)}
    name = next(iter(known))
    for order in ranked(known[name], known).values():
        assert order[0] == name and sorted(order) == sorted(known)
    assert kind("chair-03") == "chair"


def test_a_shape_that_was_not_found_is_told(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(correspond, "load_backbone", lambda name: PatchEncoder())
    nothing = Reconstruction("thin_evidence", "too thin", np.arange(4), None)
    monkeypatch.setattr(correspond, "reconstruct", lambda *_, **__: nothing)
    told: list[str] = []
    assert not run(data, Settings([load_truth(data).shapes[0]]), told.append).measures
    assert "too thin" in told[0]
