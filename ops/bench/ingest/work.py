"""What a side is asked to embed, and how it tells how far it is."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from index.precision import Precision
from index.stream.decode import decode_image
from index.stream.tar import read_samples


class Work(msgspec.Struct, frozen=True):
    """What a process that embeds is told, as one argument.

    Attributes:
        shards: tars, in order.
        tally: folder in which it tells of images that are done.
        backbone: encoder.
        precision: its arithmetic.
        batch: images a batch.
        workers: processes that embed.
        threads: of each; 0 leaves them as whoever starts the processes sets them.
        max_side: images are shrunk to this on decoding.
    """

    shards: tuple[str, ...]
    tally: str
    backbone: str
    precision: Precision
    batch: int
    workers: int
    threads: int
    max_side: int = 512

    def argument(self) -> str:
        """As the one argument of a process."""
        return msgspec.json.encode(self).decode()


def from_argument(argument: str) -> Work:
    """What `Work.argument` gave."""
    return msgspec.json.decode(argument, type=Work)


class Tally:
    """Counts images for whoever looks: a file of each process in a folder, a byte an image."""

    def __init__(self, folder: str) -> None:
        path = Path(folder) / str(os.getpid())
        self._file = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND)

    def add(self, images: int) -> None:
        """So many more are done."""
        os.write(self._file, b"." * images)


def tallied(folder: Path) -> int:
    """Images that all processes of a folder have counted."""
    return sum(path.stat().st_size for path in folder.iterdir())


def pictures(shard: str) -> list[bytes]:
    """Encoded images of a shard that has no broken ones."""
    return [sample.image for sample in read_samples(shard) if sample.image is not None]


def decoded(work: Work, limit: int) -> list[NDArray[np.uint8]]:
    """Pixels of the first images of all shards."""
    found: list[NDArray[np.uint8]] = []
    for shard in work.shards:
        found += [decode_image(raw, work.max_side)[0] for raw in pictures(shard)[: limit - len(found)]]
        if len(found) >= limit:
            break
    return found
