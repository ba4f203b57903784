"""The state directory: whether it can be written, by whom it is used, and what it was made with."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from daemon.config import Config
from daemon.doctor.base import Finding, fine, size
from index.library import open_library
from index.summaries import LibraryStatus
from ops.errors import ShapelodeError

_LEAST_FREE = 2 * 2**30


def directory(folder: Path) -> Iterator[Finding]:
    """Whether it can be written, and how much room there is."""
    place = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    try:
        with tempfile.TemporaryFile(dir=place) as probe:
            probe.write(b"x")
            probe.flush()
            os.fsync(probe.fileno())
    except OSError as error:
        what = f"{place} can't be written: {(error.strerror or str(error)).lower()}"
        yield Finding("state directory", "problem", what, f"`chown {os.getuid()} {place}` or choose another --state")
        return
    yield fine("state directory", f"{folder}" if place == folder.absolute() else f"{folder} will be made")
    free = shutil.disk_usage(place).free
    if free < _LEAST_FREE:
        yield Finding("disk", "warning", f"{size(free)} free", "the stream pauses when it is full; make room")
    else:
        yield fine("disk", f"{size(free)} free")


def library(folder: Path, config: Config) -> Iterator[Finding]:
    """What is in it, and whether a daemon with this configuration could go on with it."""
    if not (folder / "lmdb" / "data.mdb").exists():
        yield fine("library", "none yet")
        return
    yield from _lock(folder)
    try:
        opened = open_library(folder)
    except ShapelodeError as error:
        yield Finding("library", "problem", str(error), "see docs/operations.md")
        return
    try:
        yield from _contents(opened.status(), config)
    except ShapelodeError as error:
        yield Finding("library", "warning", str(error))
    finally:
        opened.close()


def _lock(folder: Path) -> Iterator[Finding]:
    path = folder / "daemon.lock"
    if not path.exists():
        return
    with path.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)  # given up on closing; nothing is written
        except OSError:
            holder = file.read().strip() or "unknown"
            todo = "end it before starting another on this directory"
            yield Finding("lock", "warning", f"a daemon runs on it (process {holder})", todo)


def _contents(status: LibraryStatus, config: Config) -> Iterator[Finding]:
    yield fine("library", f"{status.images} images, {status.clusters} clusters, {status.shapes} shapes")
    for key, made, wanted in (
        ("backbone.name", status.backbone, config.backbone.name),
        ("clustering.name", status.clusterer, config.clustering.name),
    ):
        if made != wanted:
            yield Finding(
                "library", "problem", f"it was made with {key} = {made}, not {wanted}", f"set {key} or another --state"
            )
    limit = config.store.map_size_gib * 2**30
    if status.store_bytes > 0.85 * limit:
        yield Finding("store", "warning", f"{size(status.store_bytes)} of {size(limit)}", "raise store.map_size_gib")


def weights(folder: Path, config: Config) -> Iterator[Finding]:
    """Loads the backbone, which takes seconds, and compares it with what the library was made with."""
    from actors.device import claim_device
    from index.backbones import load_backbone

    name, precision = config.backbone.name, config.backbone.precision
    try:
        # Weights are the same on every device, but 8 bits are not to be had on all.
        device = claim_device(config.backbone.device) if precision == "int8" and not config.ray.address else "cpu"
        found = load_backbone(name, device=device, precision=precision).fingerprint
    except ShapelodeError as error:
        yield Finding("backbone", "problem", str(error))
        return
    yield fine("backbone", f"{name} ({found})")
    if not (folder / "lmdb" / "data.mdb").exists():
        return
    opened = open_library(folder)
    try:
        made = opened.status().fingerprint
    finally:
        opened.close()
    if made != found:
        yield Finding(
            "backbone", "problem", f"the library was made with {made}, the one here is {found}",
            "install the packages of constraints.txt, or start a new --state",
        )  # fmt: skip
