"""The truth of a development data folder; nothing outside the benchmarks and tests may read it.

``truth.jsonl`` and ``masks.tar`` lie in the folder itself or in its ``truth`` folder (ops.synth), meshes in
``meshes/SHAPE.ply`` beside them. Cameras there have OpenGL's axes and are converted to PyTorch3D's here.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import trimesh
from numpy.typing import NDArray
from PIL import Image

from ops.errors import NotFoundError, SourceError
from ops.synth.camera import rotation

Array = NDArray[np.float64]

OPENGL_TO_PYTORCH3D = np.diag([-1.0, 1.0, -1.0])
"""From x right, z toward the viewer to x left, z forward."""


@dataclass(frozen=True, slots=True)
class TrueCamera:
    """Camera of an image: PyTorch3D axes, ``x_cam = R @ x_obj + t``, principal point in the middle.

    Attributes:
        R: ``(3, 3)`` rotation from the object to the camera.
        t: ``(3,)`` translation in object units.
        fov: full field of view in radians, horizontal and vertical.
    """

    R: Array
    t: Array
    fov: float


@dataclass(frozen=True, slots=True)
class TrueImage:
    """What is known of one image.

    Attributes:
        key: its key in the shards.
        shape: its shape, or its category where the data know no shapes.
        background: kind of backdrop; empty if not recorded.
        camera: its camera, if recorded.
        category: of its shape; empty if not recorded.
        rotation: ``(3, 3)`` of its camera, also where no more than the viewpoint is recorded.
    """

    key: str
    shape: str
    background: str
    camera: TrueCamera | None
    category: str = ""
    rotation: Array | None = None


class Truth:
    """Truth of one data folder.

    Attributes:
        images: by key.
    """

    def __init__(self, images: dict[str, TrueImage], masks: dict[str, bytes], meshes: Path) -> None:
        self.images = images
        self._masks = masks
        self._meshes = meshes

    @property
    def shapes(self) -> list[str]:
        """Names of all shapes, sorted."""
        return sorted({image.shape for image in self.images.values()})

    def wanted(self, names: Sequence[str]) -> list[str]:
        """The named shapes, all if none is.

        Raises:
            NotFoundError: there is no such shape.
        """
        return _known(names, self.shapes, "shape")

    def of_shape(self, shape: str) -> list[TrueImage]:
        """Images that show a shape, by key."""
        return sorted((i for i in self.images.values() if i.shape == shape), key=lambda image: image.key)

    def categories(self, names: Sequence[str]) -> list[str]:
        """The named categories, all if none is.

        Raises:
            NotFoundError: there is no such category.
        """
        return _known(names, sorted({image.category for image in self.images.values()} - {""}), "category")

    def of_category(self, category: str) -> list[TrueImage]:
        """Images of all shapes of a category, by key."""
        return sorted((i for i in self.images.values() if i.category == category), key=lambda image: image.key)

    def has_mask(self, key: str) -> bool:
        """Whether the image's mask is known."""
        return key in self._masks

    def mask(self, key: str) -> NDArray[np.bool_]:
        """Foreground ``(H, W)`` of an image.

        Raises:
            NotFoundError: there is none.
        """
        if key not in self._masks:
            raise NotFoundError(f"the truth has no mask of image {key}")
        with Image.open(io.BytesIO(self._masks[key]), formats=("JPEG", "PNG")) as picture:
            return np.asarray(picture.convert("L")) > 127

    def has_mesh(self, shape: str) -> bool:
        """Whether the shape's mesh is known."""
        return self._path(shape).is_file()

    def mesh(self, shape: str) -> trimesh.Trimesh:
        """Mesh of a shape in the object frame.

        Raises:
            NotFoundError: there is none.
        """
        if not self.has_mesh(shape):
            raise NotFoundError(f"the truth has no mesh of shape {shape}")
        return load_mesh(self._path(shape).read_bytes())

    def _path(self, shape: str) -> Path:
        return self._meshes / f"{shape}.ply"


def _known(names: Sequence[str], known: list[str], kind: str) -> list[str]:
    if unknown := sorted(set(names) - set(known)):
        raise NotFoundError(f"the truth has no {kind} {', '.join(unknown)}")
    return list(names) or known


def load_truth(folder: str | Path) -> Truth:
    """Read the truth of a data folder.

    Raises:
        SourceError: there is no readable truth.jsonl.
    """
    root = Path(folder)
    place = root if (root / "truth.jsonl").is_file() else root / "truth"
    try:
        lines = (place / "truth.jsonl").read_text(encoding="utf-8").splitlines()
        images = [_image(json.loads(line)) for line in lines]
    except (OSError, ValueError, KeyError) as error:
        raise SourceError(f"no truth can be read in {root}: {error!r}") from error
    return Truth({image.key: image for image in images}, _read_masks(place / "masks.tar"), place / "meshes")


def load_mesh(content: bytes) -> trimesh.Trimesh:
    """Mesh from the bytes of a PLY file."""
    loaded = trimesh.load(io.BytesIO(content), file_type="ply", force="mesh", process=False)
    if not isinstance(loaded, trimesh.Trimesh):
        raise SourceError("the file holds no triangle mesh")
    return loaded


def to_pytorch3d(R: Array, t: Array) -> tuple[Array, Array]:
    """Camera with OpenGL's axes -> the same one with PyTorch3D's; its own inverse."""
    return OPENGL_TO_PYTORCH3D @ R, OPENGL_TO_PYTORCH3D @ t


def _image(record: dict[str, Any]) -> TrueImage:
    camera = None
    if "R" in record:
        R, t = to_pytorch3d(np.array(record["R"]), np.array(record["t"]))
        camera = TrueCamera(R, t, float(np.radians(record["fov"])))
    turn = camera.R if camera is not None else None
    if turn is None and "polar" in record:
        turn = look_at_middle(np.radians(record["azimuth"]), np.radians(90 - record["polar"]))
    category = record.get("category", "")
    shape = record.get("shape") or record["category"]
    return TrueImage(record["key"], shape, record.get("background", ""), camera, category, turn)


def look_at_middle(azimuth: float, elevation: float) -> Array:
    """Rotation ``(3, 3)``, PyTorch3D axes, of a camera without roll that looks at the object from there, in radians."""
    return OPENGL_TO_PYTORCH3D @ rotation(float(np.degrees(azimuth)), float(np.degrees(elevation)), 0.0)


def _read_masks(path: Path) -> dict[str, bytes]:
    if not path.is_file():
        return {}
    masks = {}
    with tarfile.open(path) as archive:
        for member in archive:
            content = archive.extractfile(member)
            if content is not None:
                masks[Path(member.name).stem] = content.read()
    return masks
