"""Labelled data as a crawl that is still being written: small shards that appear one after the other, at a pace.

A daemon that follows the folder mines while images come, as it does beside a crawler, and not after all have been read.
"""

from __future__ import annotations

import io
import tarfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from ops.bench.truth import load_truth
from ops.errors import SourceError

Tell = Callable[[str], None]
_File = tuple[str, bytes]


@dataclass(frozen=True, slots=True)
class Settings:
    """What comes, and how fast.

    Attributes:
        shapes: names of the shapes whose images come; all if empty.
        images: of each shard.
        every_s: seconds from one shard to the next.
    """

    shapes: Sequence[str] = ()
    images: int = 20
    every_s: float = 60.0


def trickle(
    data: Path, folder: Path, settings: Settings, tell: Tell, sleep: Callable[[float], None] = time.sleep
) -> int:
    """Writes shards at a pace, in the order of the data; a shard appears when it is whole.

    Args:
        data: folder with shards, and with truth where shapes are named.
        folder: where the shards appear; made if it is not there.
        settings: what comes, and how fast.
        tell: told of each shard.
        sleep: waits for so many seconds.

    Returns:
        The images written.

    Raises:
        NotFoundError: a named shape is not in the truth.
        SourceError: there are no shards, or the folder holds some already.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.glob("*.tar")):
        raise SourceError(f"{folder} already holds shards; name an empty folder")
    wanted = _wanted(data, settings.shapes)
    written, began = 0, time.monotonic()
    for number, samples in enumerate(_batches(data / "shards", wanted, settings.images)):
        sleep(max(0.0, began + number * settings.every_s - time.monotonic()))
        _write(folder / f"{number:05d}.tar", samples)
        written += len(samples)
        tell(f"{written} images in {number + 1} shards")
    return written


def _wanted(data: Path, shapes: Sequence[str]) -> set[str] | None:
    if not shapes:
        return None
    truth = load_truth(data)
    return {image.key for name in truth.wanted(shapes) for image in truth.of_shape(name)}


def _batches(shards: Path, wanted: set[str] | None, count: int) -> Iterator[list[list[_File]]]:
    batch: list[list[_File]] = []
    for sample in _samples(shards):
        if wanted is None or sample[0][0].split(".")[0] in wanted:
            batch.append(sample)
        if len(batch) == count:
            yield batch
            batch = []
    if batch:
        yield batch


def _samples(shards: Path) -> Iterator[list[_File]]:
    """The files of each sample, which stand side by side in a webdataset shard."""
    paths = sorted(shards.glob("*.tar"))
    if not paths:
        raise SourceError(f"{shards} holds no shards")
    for path in paths:
        with tarfile.open(path) as archive:
            files = ((member.name, archive.extractfile(member)) for member in archive if member.isfile())
            read = ((name, content.read()) for name, content in files if content is not None)
            for _, sample in groupby(read, key=lambda file: file[0].split(".")[0]):
                yield list(sample)


def _write(path: Path, samples: Sequence[Sequence[_File]]) -> None:
    unfinished = path.with_suffix(".part")
    with tarfile.open(unfinished, "w") as archive:
        for name, content in (file for sample in samples for file in sample):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    unfinished.rename(path)
