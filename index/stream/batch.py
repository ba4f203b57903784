"""Batches of samples as they travel from a reader to the embedder and on to the store."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from index.stream.decode import decode_image
from index.stream.sources import local_size
from index.stream.tar import RawSample, read_samples
from index.views import ObjectView
from ops.errors import RejectError
from ops.faults import reach


@dataclass(frozen=True, slots=True)
class Sample:
    """One sample of a batch: its pixels or, once embedded, its view; or why it is refused.

    Attributes:
        index: position within the shard.
        key: webdataset key.
        url: where the crawl found the image.
        sha256: hex digest of the encoded image, empty if there was none.
        size: original ``(width, height)``.
        image: ``(H, W, 3)`` uint8, shrunk; None once embedded or if refused.
        view: the embedded object; None before, or if refused.
        reject: why the sample is refused.
    """

    index: int
    key: str
    url: str
    sha256: str
    size: tuple[int, int] = (0, 0)
    image: NDArray[np.uint8] | None = None
    view: ObjectView | None = None
    reject: RejectError | None = None


@dataclass(frozen=True, slots=True)
class BatchHeader:
    """What the control loop needs to know of a batch.

    Attributes:
        shard: absolute path or URL.
        start: position of the first sample.
        end: position behind the last sample.
        last: the shard ends here.
        size: bytes of a local shard when it was opened, 0 for a URL; tells later whether it has grown.
        seconds: time spent reading and decoding.
    """

    shard: str
    start: int
    end: int
    last: bool
    size: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Batch:
    """Consecutive samples of one shard."""

    header: BatchHeader
    samples: list[Sample] = field(default_factory=list)
    embed_seconds: float = 0.0


class ShardCursor:
    """Reads a shard batch by batch; asking for any position is allowed, going on is cheap.

    A reader that is asked again for a batch it has already given (its answer was lost) gives it again.
    """

    def __init__(self, max_side: int) -> None:
        self._max_side = max_side
        self._place: tuple[str, int] = ("", 0)
        self._size = 0
        self._samples: Iterator[RawSample] = iter(())

    def read(self, shard: str, start: int, count: int) -> Batch:
        """Reads up to ``count`` samples from position ``start``.

        Raises:
            SourceError: the shard can't be opened.
        """
        began = time.perf_counter()
        reach("read.before")
        if self._place != (shard, start):
            self._size = local_size(shard)
            self._samples = read_samples(shard, start)
        raw = list(islice(self._samples, count))
        samples = [_decode(sample, start + offset, self._max_side) for offset, sample in enumerate(raw)]
        end = start + len(samples)
        self._place = (shard, end)
        reach("read.after")
        header = BatchHeader(shard, start, end, len(raw) < count, self._size, time.perf_counter() - began)
        return Batch(header, samples)


def _decode(raw: RawSample, index: int, max_side: int) -> Sample:
    digest = hashlib.sha256(raw.image).hexdigest() if raw.image is not None else ""
    if raw.reject is not None or raw.image is None:
        return Sample(index, raw.key, raw.url, digest, reject=raw.reject)
    try:
        image, size = decode_image(raw.image, max_side)
    except RejectError as error:
        return Sample(index, raw.key, raw.url, digest, reject=error)
    return Sample(index, raw.key, raw.url, digest, size, image=image)
