"""The nerfstudio export, read by nerfstudio's convention."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pycolmap
import trimesh
from numpy.typing import NDArray

from daemon.export import export
from index.library import open_library
from tests.scenes import box_points, make_scene_library, our_pixels


def seen_by(frame: dict[str, Any], points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Pixels by camera-to-world with OpenGL axes: x right, y up, looking along -z."""
    world_to_camera = np.linalg.inv(np.array(frame["transform_matrix"]))
    x, y, z = (points @ world_to_camera[:3, :3].T + world_to_camera[:3, 3]).T
    assert (z < 0).all()
    return np.stack([frame["cx"] + frame["fl_x"] * x / -z, frame["cy"] - frame["fl_y"] * y / -z], 1)


def test_points_land_where_our_cameras_put_them(tmp_path: Path) -> None:
    library = open_library(make_scene_library(tmp_path))
    archive = zipfile.ZipFile(io.BytesIO(export(library, 1, None, "nerfstudio")))
    transforms = json.loads(archive.read("transforms.json"))
    ours = {camera.image: camera for camera in library.cameras(1)}
    library.close()
    assert len(transforms["frames"]) == 5
    points = box_points()
    for frame in transforms["frames"]:
        camera = ours[int(Path(frame["file_path"]).stem)]
        assert np.allclose(seen_by(frame, points), our_pixels(points, camera), atol=1e-6)
        turn = np.array(frame["transform_matrix"])[:3, :3]
        assert np.isclose(np.linalg.det(turn), 1)
        assert {frame["file_path"], frame["mask_path"]} <= set(archive.namelist())
    mesh = trimesh.load_mesh(io.BytesIO(archive.read(transforms["ply_file_path"])), file_type="ply")
    assert len(mesh.faces) == 12


def test_pycolmap_projects_by_the_transforms_as_we_do(tmp_path: Path) -> None:
    """The same by another program's cameras, whose axes are OpenCV's."""
    library = open_library(make_scene_library(tmp_path))
    archive = zipfile.ZipFile(io.BytesIO(export(library, 1, None, "nerfstudio")))
    ours = {camera.image: camera for camera in library.cameras(1)}
    library.close()
    transforms = json.loads(archive.read("transforms.json"))
    points = box_points()
    for frame in transforms["frames"]:
        numbers = [frame[name] for name in ("fl_x", "fl_y", "cx", "cy")]
        camera = pycolmap.Camera(model="PINHOLE", width=frame["w"], height=frame["h"], params=numbers)
        to_world = np.array(frame["transform_matrix"]) @ np.diag([1.0, -1.0, -1.0, 1.0])
        from_world = pycolmap.Rigid3d(np.linalg.inv(to_world)[:3])
        found = np.array([camera.img_from_cam(point) for point in from_world * points])
        assert np.allclose(found, our_pixels(points, ours[int(Path(frame["file_path"]).stem)]), atol=1e-6)
