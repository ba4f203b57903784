"""The maps between the pixels of a shape's images and its surface, over what the library stores."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from daemon.correspond import Correspondence, Frame, ImagePlace, Pixel, Point, PointQuery
from daemon.export import stored_mesh
from index.backbones import Backbone
from index.library import Library
from index.summaries import CameraSummary
from index.views import CROP_SIZE
from recon import Mesh
from recon.camera import Pinholes
from recon.canonical import Located, coordinate_map, lift, locate, surface_points
from recon.correspond import Looks, draw_to_features

_CPU = torch.device("cpu")
REVERSE_POINTS = 2000


class ShapeMaps:
    """The surface of one version, as its cameras see it."""

    def __init__(self, library: Library, shape: int, version: int) -> None:
        """Reads the mesh.

        Raises:
            NotFoundError: there is no such version.
            StateError: the stored mesh is damaged.
        """
        self._library = library
        body = stored_mesh(library, shape, version)
        vertices, faces = np.asarray(body.vertices, np.float32), np.asarray(body.faces, np.int32)
        self._mesh = Mesh(vertices, faces, np.zeros((len(vertices), 3), np.uint8))
        self._surface = surface_points(self._mesh, _CPU)

    def follow(
        self,
        asked: PointQuery,
        targets: Sequence[int],
        cameras: Mapping[int, CameraSummary],
        frames: Mapping[int, Frame],
        encoder: Backbone | None,
    ) -> list[Correspondence]:
        """Where pixels and points are on the shape and in images.

        Args:
            asked: what for.
            targets: images to find them in.
            cameras: of these and of the image of the pixels.
            frames: of the same.
            encoder: draws what pixels show to where its features agree; None leaves it where the cameras put it.
        """
        with torch.inference_mode():
            given = torch.tensor(asked.points, dtype=torch.float32).reshape(-1, 3)
            hits = [True] * len(given)
            image = torch.zeros(0, 2)
            if asked.pixels and asked.image is not None:
                image = torch.tensor([frames[asked.image].inward(pixel) for pixel in asked.pixels])
                lifted = lift(self._surface, eyes_of([cameras[asked.image]]), image[None])
                given = torch.cat([lifted.points[0], given])
                hits = [*lifted.hit[0].tolist(), *hits]
            located = locate(self._surface, eyes_of([cameras[target] for target in targets]), given)
            if encoder is not None and len(image) and targets and asked.image is not None:
                located = self._drawn(located, image, asked.image, targets, encoder)
        pixels: list[Pixel | None] = [*asked.pixels, *([None] * len(asked.points))]
        return [
            Correspondence(pixel, _point(given[row].tolist()), hits[row], _places(located, row, targets, frames))
            for row, pixel in enumerate(pixels)
        ]

    def coordinates(self, camera: CameraSummary) -> NDArray[np.float32]:
        """The dense forward map ``(CROP_SIZE, CROP_SIZE, 3)`` of a camera's crop, NaN beside the shape."""
        with torch.inference_mode():
            found: NDArray[np.float32] = coordinate_map(self._mesh, eyes_of([camera]), CROP_SIZE).numpy()
        return found

    def points(self) -> NDArray[np.float32]:
        """Points ``(REVERSE_POINTS, 3)`` spread over the surface, the same for all images of the version."""
        found: NDArray[np.float32] = self._surface[:REVERSE_POINTS].numpy()
        return found

    def pixels(self, camera: CameraSummary) -> NDArray[np.float32]:
        """The reverse map of a camera's crop: where it has each of these points.

        Returns:
            ``(REVERSE_POINTS, 3)``: x and y in pixels of the crop from its top left corner, and 1 where the point is
            visible or 0 where the shape hides it.
        """
        with torch.inference_mode():
            located = locate(self._surface, eyes_of([camera]), self._surface[:REVERSE_POINTS])
            places = (located.image[0] + 1) / 2 * CROP_SIZE
            found: NDArray[np.float32] = torch.cat([places, located.visible[0, :, None].float()], 1).numpy()
        return found

    def _drawn(
        self, located: Located, image: torch.Tensor, source: int, targets: Sequence[int], encoder: Backbone
    ) -> Located:
        """What pixels show, drawn to the features; points that follow them stay."""
        crops = np.stack([self._library.crop(each) for each in (source, *targets)])
        masks = np.stack([self._library.mask(each) for each in (source, *targets)])
        features = torch.from_numpy(encoder.patches(crops))
        wanted = Looks.of(features[:1], torch.from_numpy(masks[:1])).at(image[None])[0]
        parts = [
            draw_to_features(_row(located, row, len(image)), wanted, Looks.of(features[row + 1 : row + 2], mask[None]))
            for row, mask in enumerate(torch.from_numpy(masks[1:]))
        ]
        drawn = torch.cat([part.image for part in parts])
        return Located(torch.cat([drawn, located.image[:, len(image) :]], 1), located.depth, located.visible)


def eyes_of(cameras: Sequence[CameraSummary]) -> Pinholes:
    """Cameras of the library as tensors."""
    R = torch.tensor([camera.R for camera in cameras]).reshape(-1, 3, 3)
    t, offset = (torch.tensor([getattr(camera, name) for camera in cameras]) for name in ("t", "offset"))
    fov = torch.tensor([math.radians(camera.fov) for camera in cameras])
    return Pinholes(R, t.reshape(-1, 3), 1 / torch.tan(fov / 2), offset.reshape(-1, 2))


def _row(located: Located, row: int, count: int) -> Located:
    """The first points in one image; images are taken one by one, so that memory does not grow with their number."""
    part = slice(row, row + 1), slice(0, count)
    return Located(located.image[part], located.depth[part], located.visible[part])


def _places(located: Located, row: int, targets: Sequence[int], frames: Mapping[int, Frame]) -> tuple[ImagePlace, ...]:
    image, depth, visible = (getattr(located, name)[:, row].tolist() for name in Located.__slots__)
    return tuple(
        ImagePlace(target, frames[target].outward(image[n]), visible[n], depth[n]) for n, target in enumerate(targets)
    )


def _point(values: Sequence[float]) -> Point:
    x, y, z = values
    return x, y, z
