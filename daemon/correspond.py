"""Where is this pixel on the shape, and where is that point in every other image?"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING

from index.library import Library
from index.summaries import ImageSummary
from index.views import CROP_SIZE
from ops.errors import ConfigError, NotFoundError

if TYPE_CHECKING:
    from daemon.maps import ShapeMaps
    from index.backbones import Backbone

MOST_POINTS = 256
MOST_PLACES = 50_000
_MOST_FAR = 1e6
_KEPT = 8  # shapes whose surfaces stay in memory; some hundred kilobytes each
Pixel = tuple[float, float]
Point = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class PointQuery:
    """What is asked of a shape: pixels of one of its images, points on it, or both.

    Attributes:
        image: the image that the pixels are in; not needed without pixels.
        pixels: x right, y down, counted from the top left corner of the image's crop.
        points: in the object frame.
        targets: images to find them in; all images of the version if left out.
        refine: draw what the pixels show to where its features are found; computes those of all images named, which
            takes some 0.1 seconds each.
        original: pixels, given and answered, are those of the original images instead of the crops.
    """

    image: int | None = None
    pixels: tuple[Pixel, ...] = ()
    points: tuple[Point, ...] = ()
    targets: tuple[int, ...] | None = None
    refine: bool = False
    original: bool = False


@dataclass(frozen=True, slots=True)
class ImagePlace:
    """Where a point is in one image.

    Attributes:
        image: the image.
        pixel: x right, y down; it may lie outside the crop.
        visible: nothing of the shape hides it, and it is within the crop.
        depth: along the camera's axis in object sizes.
    """

    image: int
    pixel: Pixel
    visible: bool
    depth: float


@dataclass(frozen=True, slots=True)
class Correspondence:
    """One pixel or point that was asked for.

    Attributes:
        pixel: the pixel; None for a point.
        point: on the shape, in the object frame; where the ray of a pixel misses the shape, where it comes nearest.
        on_shape: whether it met the shape; true of points.
        places: in each target image.
    """

    pixel: Pixel | None
    point: Point
    on_shape: bool
    places: tuple[ImagePlace, ...]


@dataclass(frozen=True, slots=True)
class Correspondences:
    """What was asked for, pixels first, each in the order given.

    Attributes:
        shape: the shape.
        version: its version.
        image: the image of the pixels, if there were any.
        refined: places were drawn to where the features agree.
        original: pixels are those of the original images.
        items: one a pixel or point.
    """

    shape: int
    version: int
    image: int | None
    refined: bool
    original: bool
    items: tuple[Correspondence, ...]


class PointFinder:
    """Answers what is asked about points of shapes; keeps the surfaces of the last few. For any number of threads."""

    def __init__(self, library: Library, backbone: Callable[[], Backbone]) -> None:
        """Prepares; nothing is loaded yet.

        Args:
            library: where the shapes are.
            backbone: gets the library's, for refinement.
        """
        self._library = library
        self._backbone = backbone
        self._kept: dict[tuple[int, int], ShapeMaps] = {}
        self._lock = Lock()

    def __call__(self, shape: int, asked: PointQuery, version: int | None = None) -> Correspondences:
        """The points behind pixels, and where they are in other images.

        Args:
            shape: the shape's id.
            asked: pixels, points and images.
            version: of the shape; None for the published one.

        Raises:
            ConfigError: nothing or too much is asked for.
            NotFoundError: no such shape or version, or an image has no camera in it.
            StateError: the stored mesh is damaged.
            BackboneError: the backbone can't be loaded.
            FingerprintError: the backbone here is not the one the library was made with.
        """
        _check(asked)
        found = self._library.shape(shape, version).version
        usable = {camera.image: camera for camera in self._library.cameras(shape, found) if camera.weight > 0}
        targets = list(usable) if asked.targets is None else list(dict.fromkeys(asked.targets))
        wanted = [*targets, *([asked.image] if asked.pixels and asked.image is not None else [])]
        for image in sorted(set(wanted) - usable.keys()):
            raise NotFoundError(f"version {found} of shape {shape} has no camera of image {image}, or it is a stranger")
        if len(targets) * (len(asked.pixels) + len(asked.points)) > MOST_PLACES:
            raise ConfigError(f"that is more than {MOST_PLACES} places; ask for fewer points or images at once")
        frames = {image: Frame.of(self._library.image(image) if asked.original else None) for image in set(wanted)}
        encoder = self._backbone() if asked.refine else None
        items = self._maps(shape, found).follow(asked, targets, usable, frames, encoder)
        return Correspondences(
            shape, found, asked.image if asked.pixels else None, asked.refine, asked.original, tuple(items)
        )

    def _maps(self, shape: int, version: int) -> ShapeMaps:
        from daemon.maps import ShapeMaps  # torch takes seconds to import

        with self._lock:
            maps = self._kept.pop((shape, version), None) or ShapeMaps(self._library, shape, version)
            self._kept[shape, version] = maps
            if len(self._kept) > _KEPT:
                del self._kept[next(iter(self._kept))]
        return maps


@dataclass(frozen=True, slots=True)
class Frame:
    """How an image's pixels, as they are asked for, lie in its crop.

    Attributes:
        corner: the crop's top left corner in them.
        side: the crop's side in them.
    """

    corner: Pixel
    side: float

    @classmethod
    def of(cls, image: ImageSummary | None) -> Frame:
        """Of the pixels of an original image, or of those of a crop for None."""
        if image is None:
            return cls((0.0, 0.0), float(CROP_SIZE))
        return cls((image.box[0], image.box[1]), image.box[2] - image.box[0])

    def inward(self, pixel: Sequence[float]) -> Pixel:
        """A pixel in crop coordinates in [-1, 1]."""
        return 2 * (pixel[0] - self.corner[0]) / self.side - 1, 2 * (pixel[1] - self.corner[1]) / self.side - 1

    def outward(self, place: Sequence[float]) -> Pixel:
        """Crop coordinates as a pixel."""
        return (place[0] + 1) / 2 * self.side + self.corner[0], (place[1] + 1) / 2 * self.side + self.corner[1]


def _check(asked: PointQuery) -> None:
    count = len(asked.pixels) + len(asked.points)
    if not 1 <= count <= MOST_POINTS:
        raise ConfigError(f"name 1 to {MOST_POINTS} pixels or points, not {count}")
    if asked.pixels and asked.image is None:
        raise ConfigError("pixels need the image that they are in")
    if asked.refine and not asked.pixels:
        raise ConfigError("only what pixels show can be refined: a point alone does not say what it looks like")
    numbers = [number for each in (*asked.pixels, *asked.points) for number in each]
    if not all(math.isfinite(number) and abs(number) <= _MOST_FAR for number in numbers):
        raise ConfigError("pixels and points must be finite, and not so far away")
