"""Which images show a shape best: from a direction, of a time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from daemon.registration import viewpoint
from index.library import Library
from index.summaries import ImageSummary
from ops.errors import ConfigError, NotFoundError


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which images of a shape are asked for; None leaves a thing out of account.

    Attributes:
        azimuth: degrees around the shape, 0 at its front, 90 to the right of who looks at its front.
        elevation: degrees above its horizon; with an azimuth 0 by default.
        within: how far off the direction an image may have been taken, in degrees.
        since: stored at this Unix time or later.
        until: stored before this Unix time.
    """

    azimuth: float | None = None
    elevation: float | None = None
    within: float = 30.0
    since: float | None = None
    until: float | None = None


@dataclass(frozen=True, slots=True)
class Sight:
    """How an image shows a shape.

    Attributes:
        image: the image.
        loss: of its camera; the lower, the better the shape explains what the image shows.
        azimuth: degrees around the shape from which it was taken, in [0, 360).
        elevation: degrees above the shape's horizon.
        away: degrees between that and the direction asked for; 0 if none was.
    """

    image: ImageSummary
    loss: float
    azimuth: float
    elevation: float
    away: float


def sights(library: Library, shape: int, version: int | None = None, wanted: Wanted | None = None) -> list[Sight]:
    """The images that show a version of a shape, best first; strangers and what is in quarantine are left out.

    Args:
        library: where the shape is.
        shape: its id.
        version: which version; None for the published one.
        wanted: which of them; all by default.

    Raises:
        NotFoundError: there is no such shape or version.
        ConfigError: an elevation without an azimuth says no direction.
    """
    wanted = wanted or Wanted()
    if wanted.azimuth is None and wanted.elevation is not None and abs(wanted.elevation) < 90:
        raise ConfigError("an elevation alone is no direction; give the azimuth too")
    anywhere = wanted.azimuth is None and wanted.elevation is None
    towards = None if anywhere else _direction(wanted.azimuth or 0.0, wanted.elevation or 0.0)
    found = []
    for camera in library.cameras(shape, version):
        if camera.weight <= 0:
            continue
        azimuth, elevation = viewpoint(np.asarray(camera.R, np.float32))
        away = 0.0 if towards is None else _between(towards, _direction(azimuth, elevation))
        if towards is not None and away > wanted.within:
            continue
        try:
            image = library.image(camera.image)
        except NotFoundError:  # deleted a moment ago
            continue
        if not image.quarantined and _stored_then(image.time, wanted):
            found.append(Sight(image, camera.loss, azimuth, elevation, away))
    return sorted(found, key=lambda sight: (sight.loss, sight.image.id))


def _stored_then(time: float, wanted: Wanted) -> bool:
    return (wanted.since is None or time >= wanted.since) and (wanted.until is None or time < wanted.until)


def _direction(azimuth: float, elevation: float) -> NDArray[np.float64]:
    """Unit vector towards where a camera stands; the inverse of `viewpoint`."""
    around, up = np.radians(azimuth), np.radians(elevation)
    return np.array([np.cos(up) * np.sin(around), np.sin(up), np.cos(up) * np.cos(around)])


def _between(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    return float(np.degrees(np.arccos(np.clip(one @ other, -1, 1))))
