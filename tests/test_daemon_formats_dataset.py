"""The data set as webdataset reads it."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trimesh
from PIL import Image
from webdataset.tariterators import group_by_keys, tar_file_expander

from daemon.cli.entry import run_command
from daemon.export import export
from daemon.formats.dataset import write_dataset
from index.library import open_library
from ops.errors import ConfigError, NotFoundError
from tests.scenes import box_points, make_scene_library, our_pixels


def read(*shards: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for shard in shards:
        with shard.open("rb") as stream:
            found += group_by_keys(tar_file_expander([{"url": str(shard), "stream": stream}]))
    return found


def test_poses_put_points_where_our_cameras_do(tmp_path: Path) -> None:
    library = open_library(make_scene_library(tmp_path / "state"))
    shard = tmp_path / "one.tar"
    shard.write_bytes(export(library, 1, None, "dataset"))
    ours = {camera.image: camera for camera in library.cameras(1)}
    found = read(shard)
    points = box_points()
    for sample in found:
        about = json.loads(sample["json"])
        pose, lens = np.array(about["object_to_camera"]), np.array(about["K"])
        seen = (points @ pose[:3, :3].T + pose[:3, 3]) @ lens.T
        pixels = seen[:, :2] / seen[:, 2:]
        assert np.allclose(pixels, our_pixels(points, ours[about["image"]]), atol=1e-6)
        whole = (points @ pose[:3, :3].T + pose[:3, 3]) @ np.array(about["original"]["K"]).T
        x0, y0, x1, _ = about["original"]["box"]
        assert np.allclose(whole[:, :2] / whole[:, 2:], np.array([x0, y0]) + pixels * (x1 - x0) / 224, atol=1e-6)
        assert Image.open(io.BytesIO(sample["jpg"])).size == Image.open(io.BytesIO(sample["mask.png"])).size
        assert about["key"] == f"{about['image']:06d}"
    assert [sample["__key__"] for sample in found] == [f"000001-{image:09d}" for image in range(5)]
    library.close()


@pytest.mark.parametrize("kind", ["dataset", "colmap", "nerfstudio", "masks", "coordinates"])
def test_only_images_with_sure_cameras_are_written_where_that_is_asked_for(tmp_path: Path, kind: Any) -> None:
    library = open_library(make_scene_library(tmp_path / "state"))
    assert len(images_of(export(library, 1, None, kind))) == 5
    assert images_of(export(library, 1, None, kind, sure=0.65)) == ["3", "4"]
    with pytest.raises(NotFoundError, match=r"no camera of certainty 0.9; the surest has 0.80"):
        export(library, 1, None, kind, sure=0.9)
    library.close()


def images_of(data: bytes) -> list[str]:
    """Numbers of the images in a zip or a tar."""
    try:
        names = zipfile.ZipFile(io.BytesIO(data)).namelist()
    except zipfile.BadZipFile:
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            names = archive.getnames()
    return sorted({str(int(Path(name).stem[-9:])) for name in names if name.endswith(".jpg")})


def test_shapes_without_sure_cameras_are_no_part_of_a_data_set(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state, folder = make_scene_library(tmp_path / "state"), tmp_path / "data"
    command = ["export", "--format", "dataset", "-o", str(folder), "--state", str(state), "--json", "--sure", "0.75"]
    assert run_command(command) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["shapes"], told["images"]) == (1, 1)
    assert [json.loads(sample["json"])["certainty"] for sample in read(*folder.glob("*.tar"))] == [pytest.approx(0.8)]
    assert [mesh.stem for mesh in (folder / "meshes").iterdir()] == ["000001"]


def test_the_shell_writes_all_shapes_in_shards_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state, folder = make_scene_library(tmp_path / "state"), tmp_path / "data"
    command = ["export", "--format", "dataset", "-o", str(folder), "--per-shard", "4", "--state", str(state), "--json"]
    assert run_command(command) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["shapes"], told["images"], told["shards"]) == (2, 9, 3)
    shards = sorted(folder.glob("*.tar"))
    assert [len(read(shard)) for shard in shards] == [4, 4, 1]
    assert len({sample["__key__"] for sample in read(*shards)}) == 9
    assert trimesh.load_mesh(folder / "meshes" / "000002.ply").extents[0] == pytest.approx(1)
    assert json.loads((folder / "index.json").read_text()) == told
    assert run_command(command) == 2
    assert "holds a data set already" in capsys.readouterr().err


def test_a_data_set_that_breaks_off_says_nothing_of_being_whole(tmp_path: Path) -> None:
    library = open_library(make_scene_library(tmp_path / "state"))

    def full(path: Path, data: bytes) -> None:
        if path.suffix == ".tar":
            raise ConfigError("no space")
        path.write_bytes(data)

    with pytest.raises(ConfigError, match="no space"):
        write_dataset(library, tmp_path / "data", 4, full, lambda done, total: None)
    assert not (tmp_path / "data" / "index.json").exists() and (tmp_path / "data" / "meshes").exists()
    library.close()


@pytest.mark.parametrize("arguments", [[], ["--format", "glb", "-o", "x"], ["--format", "dataset"]])
def test_all_shapes_are_only_had_as_a_data_set(
    tmp_path: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    state = make_scene_library(tmp_path / "state")
    assert run_command(["export", *arguments, "--state", str(state)]) == 2
    assert "name a shape" in capsys.readouterr().err
