from __future__ import annotations

import io
import json
import tarfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import trimesh
from PIL import Image

from ops.errors import ConfigError
from ops.synth.shards import write_shards


@pytest.fixture(scope="module")
def crawl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("crawl")
    write_shards(folder, shapes=3, views=4, seed=5, per_shard=5, size=64)
    return folder


def _members(path: Path) -> dict[str, bytes]:
    with tarfile.open(path) as archive:
        return {m.name: archive.extractfile(m).read() for m in archive.getmembers()}  # type: ignore[union-attr]


def _files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_shards_have_the_layout_of_img2dataset_and_no_label(crawl: Path) -> None:
    shards = sorted((crawl / "shards").iterdir())
    assert [shard.name for shard in shards] == ["00000.tar", "00001.tar", "00002.tar"]
    members = _members(shards[0])
    keys = sorted({name.split(".")[0] for name in members})
    assert len(keys) == 5 and len(members) == 15
    for key in keys:
        assert len(key) == 14 and key.isdigit()
        about = json.loads(members[f"{key}.json"])
        assert set(about) == {"key", "url", "width", "height", "status"}
        assert (about["key"], about["width"], about["status"]) == (key, 64, "success")
        assert Image.open(io.BytesIO(members[f"{key}.jpg"])).size == (64, 64)
        assert members[f"{key}.txt"] == b""


def test_truth_covers_every_image_and_is_kept_out_of_the_shards(crawl: Path) -> None:
    truth = [json.loads(line) for line in (crawl / "truth" / "truth.jsonl").read_text().splitlines()]
    streamed = [name[:-4] for shard in sorted((crawl / "shards").iterdir()) for name in _members(shard)][::3]
    assert [record["key"] for record in truth] == streamed
    shapes = [record["shape"] for record in truth]
    assert set(Counter(shapes).values()) == {4}
    assert shapes != sorted(shapes)
    assert {f"{name}.ply" for name in shapes} == {p.name for p in (crawl / "truth" / "meshes").iterdir()}
    assert set(_members(crawl / "truth" / "masks.tar")) == {f"{record['key']}.png" for record in truth}
    assert not any(b"chair" in content for shard in (crawl / "shards").iterdir() for content in [shard.read_bytes()])


def test_meshes_project_onto_the_masks(crawl: Path) -> None:
    record = json.loads((crawl / "truth" / "truth.jsonl").read_text().splitlines()[0])
    png = _members(crawl / "truth" / "masks.tar")[f"{record['key']}.png"]
    mask = np.asarray(Image.open(io.BytesIO(png)))
    assert mask.dtype == bool
    mesh = trimesh.load(crawl / "truth" / "meshes" / f"{record['shape']}.ply", force="mesh")
    points, _ = trimesh.sample.sample_surface(mesh, 2000, seed=0)
    x, y, z = np.array(record["R"]) @ points.T + np.array(record["t"])[:, None]
    focal = 1 / np.tan(np.radians(record["fov"]) / 2)
    u, v = (1 + focal * x / -z) / 2 * 64, (1 - focal * y / -z) / 2 * 64
    assert mask[v.astype(int), u.astype(int)].mean() > 0.85


def test_a_seed_fixes_every_byte(crawl: Path, tmp_path: Path) -> None:
    write_shards(tmp_path / "same", shapes=3, views=4, seed=5, per_shard=5, size=64)
    write_shards(tmp_path / "other", shapes=3, views=4, seed=6, per_shard=5, size=64)
    assert _files(tmp_path / "same") == _files(crawl)
    assert _files(tmp_path / "other") != _files(crawl)


def test_nothing_is_overwritten_and_counts_are_checked(crawl: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="already holds shards"):
        write_shards(crawl, shapes=1, views=1)
    with pytest.raises(ConfigError, match="at least 1"):
        write_shards(tmp_path, shapes=1, views=0)
