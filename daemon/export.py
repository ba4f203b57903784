"""Shapes as files other programs open."""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import msgspec

from index.files import write_whole
from index.jobs import MESH
from index.library import Library
from ops.errors import ConfigError, NotFoundError, StateError

if TYPE_CHECKING:
    import trimesh

    from daemon.formats.scene import Scene

Format = Literal[
    "glb", "obj", "ply", "usdz", "cameras", "colmap", "nerfstudio", "masks", "coordinates", "keypoints", "dataset"
]
FORMATS: tuple[Format, ...] = get_args(Format)
MEDIA_TYPES: dict[Format, str] = {
    "glb": "model/gltf-binary",
    "obj": "model/obj",
    "ply": "application/octet-stream",
    "usdz": "model/vnd.usdz+zip",
    "cameras": "application/json",
    "colmap": "application/zip",
    "nerfstudio": "application/zip",
    "masks": "application/zip",
    "coordinates": "application/zip",
    "keypoints": "application/json",
    "dataset": "application/x-tar",
}
_SUFFIXES: dict[Format, str] = {
    "cameras": "cameras.json",
    "colmap": "colmap.zip",
    "nerfstudio": "nerfstudio.zip",
    "masks": "masks.zip",
    "coordinates": "coordinates.zip",
    "keypoints": "keypoints.json",
    "dataset": "tar",
}


def export(library: Library, shape: int, version: int | None, kind: Format, sure: float = 0.0) -> bytes:
    """A shape in one of the export formats.

    Vertices are in the object frame: right-handed, y up, centred, longest side 1. Colours are per vertex. How cameras
    are converted is told in `daemon.formats.cameras`; those of strangers are left out of all but ``cameras``.

    Args:
        library: where the shape is.
        shape: its id.
        version: which version; None for the published one.
        kind: ``glb``, ``obj``, ``ply`` or ``usdz`` for the mesh; ``cameras`` for the cameras as we keep them and
            ``keypoints``, as JSON; a zip archive for ``colmap``, ``nerfstudio``, ``masks`` and ``coordinates``; a
            webdataset shard for ``dataset``.
        sure: least certainty of the cameras that are written, for formats with images.

    Raises:
        NotFoundError: no such shape or version, or it has no mesh, or no images with cameras as sure.
        ConfigError: cameras of a certainty are asked for in a format without images.
        StateError: the stored mesh is damaged.
    """
    if (write := _SCENES.get(kind)) is not None:
        from daemon.formats.scene import scene_of

        return write(library, scene_of(library, shape, version, sure))
    if sure > 0:
        raise ConfigError(f"{kind} has no images to choose by certainty; {', '.join(_SCENES)} have")
    return _WRITERS[kind](library, shape, version)


def _ply(library: Library, shape: int, version: int | None) -> bytes:
    return library.artifact(shape, MESH, version)


def _obj(library: Library, shape: int, version: int | None) -> bytes:
    data = stored_mesh(library, shape, version).export(file_type="obj")
    return data.encode() if isinstance(data, str) else bytes(data)


def _glb(library: Library, shape: int, version: int | None) -> bytes:
    from daemon.formats.gltf import to_glb

    return to_glb(stored_mesh(library, shape, version))


def _usdz(library: Library, shape: int, version: int | None) -> bytes:
    from daemon.formats.usd import to_usdz

    return to_usdz(stored_mesh(library, shape, version))


def _cameras(library: Library, shape: int, version: int | None) -> bytes:
    found = library.shape(shape, version)
    cameras = library.cameras(shape, found.version)
    return msgspec.json.format(
        msgspec.json.encode({"shape": shape, "version": found.version, "cameras": cameras}), indent=1
    )


def _colmap(library: Library, scene: Scene) -> bytes:
    from daemon.formats import archive, colmap
    from daemon.keypoints import read_keypoints

    shape, version = scene.shape.id, scene.shape.version
    keypoints = None
    with suppress(NotFoundError):  # the version is there, so it has none
        keypoints = read_keypoints(library, shape, version)
    return archive.zipped(colmap.files(library, scene, stored_mesh(library, shape, version), keypoints))


def _nerfstudio(library: Library, scene: Scene) -> bytes:
    from daemon.formats import archive, nerfstudio

    return archive.zipped(nerfstudio.files(library, scene, _ply(library, scene.shape.id, scene.shape.version)))


def _masks(library: Library, scene: Scene) -> bytes:
    from daemon.formats import archive
    from daemon.formats.scene import pictures

    return archive.zipped(pictures(library, scene, "images/{}.jpg", "masks/{}.png"))


def _coordinates(library: Library, scene: Scene) -> bytes:
    from daemon.formats import archive, coordinates

    return archive.zipped(coordinates.files(library, scene))


def _dataset(library: Library, scene: Scene) -> bytes:
    from daemon.formats.dataset import shape_tar

    return shape_tar(library, scene)


def _keypoints(library: Library, shape: int, version: int | None) -> bytes:
    from daemon.keypoints import read_keypoints

    return msgspec.json.format(msgspec.json.encode(read_keypoints(library, shape, version)), indent=1)


_SCENES: dict[Format, Callable[[Library, Scene], bytes]] = {
    "colmap": _colmap,
    "nerfstudio": _nerfstudio,
    "masks": _masks,
    "coordinates": _coordinates,
    "dataset": _dataset,
}
_WRITERS: dict[Format, Callable[[Library, int, int | None], bytes]] = {
    "glb": _glb,
    "obj": _obj,
    "ply": _ply,
    "usdz": _usdz,
    "cameras": _cameras,
    "keypoints": _keypoints,
}


def file_name(shape: int, version: int, kind: Format) -> str:
    """What an exported file is called unless someone names it."""
    return f"shape-{shape}-v{version}.{_SUFFIXES.get(kind, kind)}"


def write_atomic(path: Path, data: bytes) -> None:
    """Writes a file that is either whole or not there.

    Raises:
        ConfigError: the place cannot be written.
    """
    try:
        write_whole(path, data)
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror}") from error


def stored_mesh(library: Library, shape: int, version: int | None) -> trimesh.Trimesh:
    """The mesh of a version.

    Raises:
        NotFoundError: no such shape or version.
        StateError: the stored mesh is damaged.
    """
    import trimesh  # slow to import, and only needed here

    raw = library.artifact(shape, MESH, version)
    try:
        mesh = trimesh.load_mesh(io.BytesIO(raw), file_type="ply", process=False)
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise StateError(f"the stored mesh of shape {shape} is damaged: {error}") from error
    if not len(mesh.vertices):
        raise StateError(f"the stored mesh of shape {shape} is damaged: it has no vertices")
    return mesh
