"""The benchmark of memory: the whole stream is stored, and what grows is seen."""

from __future__ import annotations

from pathlib import Path

import pytest

from ops.bench import memory
from ops.bench.kills.stream import DIM
from ops.bench.memory import Look, Settings, run, stream
from ops.errors import StateError


def test_every_image_is_stored_and_shards_are_removed(tmp_path: Path) -> None:
    told: list[str] = []
    looks = stream(tmp_path, Settings(images=75, per_shard=15, batch=8), told.append)
    assert [look.images for look in looks] == [15, 30, 45, 60, 75]
    assert not list(tmp_path.glob("*.tar")) and (tmp_path / "state").is_dir()
    assert all(look.process > 10 and look.decoder > 5 for look in looks)
    assert looks[-1].index == pytest.approx(75 * (4 * DIM + 8) / 2**20)
    assert looks[-1].clusterer > 0 and looks[-1].beyond < looks[-1].process
    assert len(told) == 1 and told[0].startswith("75 images")


def test_what_grows_beside_index_and_clusterer_is_told_of_the_second_half(monkeypatch: pytest.MonkeyPatch) -> None:
    def looks(*given: object) -> list[Look]:
        warm = [Look(1000 * n, 900.0, 60.0, 0.1 * n, 0.2 * n) for n in range(1, 11)]
        return warm + [Look(1000 * n, 100 + 0.5 * n, 60.0, 0.1 * n, 0.2 * n) for n in range(11, 21)]

    monkeypatch.setattr(memory, "stream", looks)
    measures = {measure.name: measure for measure in run(Settings(images=20_000)).measures}
    beyond = measures["memory beyond index and clusterer, MiB over 10,000 images"]
    assert beyond.value == pytest.approx(2.0) and beyond.baselines == {"to reach": 1.0}
    assert measures["the decoder's, MiB over 10,000 images"].value == pytest.approx(0, abs=1e-9)
    assert measures["the index', MiB over 10,000 images"].value == pytest.approx(1.0)
    assert measures["the clusterer's, MiB over 10,000 images"].value == pytest.approx(2.0)


def test_memory_that_is_given_back_is_no_growth_and_a_leak_is() -> None:
    looks = [Look(1000 * number, 100.0, 60.0, 0.0, 0.0) for number in range(50, 101)]
    calm = [100.0 + 30 * (70 < number < 76) for number in range(50, 101)]
    assert memory._rise(looks, calm) == pytest.approx(0, abs=1e-6)
    leaking = [value + 0.2 * number for number, value in enumerate(calm)]
    assert memory._rise(looks, leaking) == pytest.approx(2.0, rel=0.15)


def test_a_stream_of_copies_is_no_long_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "stream", lambda *given: [Look(1184, 100.0, 60.0, 0.0, 0.0)])
    with pytest.raises(StateError, match="only 1,184 of 2,000 images were stored"):
        run(Settings(images=2000))


def test_most_pictures_of_a_kind_are_no_copies_of_each_other(tmp_path: Path) -> None:
    looks = stream(tmp_path, Settings(images=1500, per_shard=500), lambda line: None)
    assert looks[-1].images > 1450
