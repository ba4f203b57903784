"""Batches of samples as they travel from a reader to the embedder and on to the store."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from index.stream.decode import decode_image
from index.stream.options import ReadOptions
from index.stream.signature import Signature, sign
from index.stream.sources import local_stamp
from index.stream.tar import DAMAGE, RawSample, read_samples
from index.views import ObjectView
from ops.errors import RejectError
from ops.faults import reach

Decode = Callable[[bytes, int], tuple[NDArray[np.uint8], tuple[int, int]]]
"""What decodes an image, as `index.stream.decode.decode_image` does."""


@dataclass(frozen=True, slots=True)
class Mark:
    """What a place in a shard rests on, to notice that the shard has got new content.

    Attributes:
        generation: contents this shard has had before.
        prefix: digest of keys and images before the place; empty if it is not known.
    """

    generation: int = 0
    prefix: str = ""


def content_name(shard: str, generation: int) -> str:
    """What a content of a shard goes by in the store; the first by the shard's own name."""
    return f"{shard}#{generation}" if generation else shard


@dataclass(frozen=True, slots=True)
class Sample:
    """One sample of a batch: its pixels or, once embedded, its objects; or why it is refused.

    Attributes:
        index: position within the shard.
        key: webdataset key.
        url: where the crawl found the image.
        sha256: hex digest of the encoded image, empty if there was none.
        size: original ``(width, height)``.
        image: ``(H, W, 3)`` uint8, shrunk; None once embedded or if refused.
        views: the embedded objects, largest first; empty before, or if refused.
        signature: of the whole image; None if it shows nothing, or is refused.
        reject: why the sample is refused.
    """

    index: int
    key: str
    url: str
    sha256: str
    size: tuple[int, int] = (0, 0)
    image: NDArray[np.uint8] | None = None
    views: tuple[ObjectView, ...] = ()
    signature: Signature | None = None
    reject: RejectError | None = None


@dataclass(frozen=True, slots=True)
class BatchHeader:
    """What the control loop needs to know of a batch.

    Attributes:
        shard: absolute path or URL.
        start: position of the first sample.
        end: position behind the last sample.
        last: the shard ends here.
        size: bytes of a local shard when it was opened, 0 for a URL; tells later whether it has changed.
        seconds: time spent reading and decoding.
        mtime_ns: modification time of a local shard when it was opened, 0 for a URL.
        mark: what ``end``, or the damage before it, rests on.
    """

    shard: str
    start: int
    end: int
    last: bool
    size: int
    seconds: float
    mtime_ns: int = 0
    mark: Mark = field(default_factory=Mark)


@dataclass(frozen=True, slots=True)
class Batch:
    """Consecutive samples of one shard; once embedded, with the fingerprint of the backbone that did it.

    ``embed_seconds`` is the share of its embedder's time that it took. One that is ``parted`` holds only what goes to
    one part of a library; see `index.parting`.
    """

    header: BatchHeader
    samples: list[Sample] = field(default_factory=list)
    embed_seconds: float = 0.0
    fingerprint: str = ""
    parted: bool = False


class ShardCursor:
    """Reads a shard batch by batch; asking for any position is allowed, going on is cheap.

    A reader that is asked again for a batch it has already given (its answer was lost) gives it again. One that
    is asked to go on in a shard whose content has been replaced gives its first batch, under a new generation.
    """

    def __init__(self, options: ReadOptions, decode: Decode = decode_image) -> None:
        self._options = options
        self._decode = decode
        self._place: tuple[str, int] = ("", 0)
        self._stamp = (0, 0)
        self._chain = _Chain()
        self._samples: Iterator[tuple[RawSample, str]] = iter(())

    def read(self, shard: str, start: int, count: int, mark: Mark | None = None) -> Batch:
        """Reads up to ``count`` samples from position ``start``.

        Args:
            shard: absolute path or URL.
            start: position of the first sample.
            count: samples at most.
            mark: what the position rests on; none is not checked.

        Raises:
            SourceError: the shard can't be opened.
        """
        began = time.perf_counter()
        reach("read.before")
        if self._place != (shard, start):
            start = self._open(shard, start, mark or Mark())
        raw = list(islice(self._samples, count))
        samples = [self._decoded(sample, digest, start + offset) for offset, (sample, digest) in enumerate(raw)]
        end = start + len(samples)
        self._place = (shard, end)
        reach("read.after")
        last = len(raw) < count or _is_damage(raw[-1][0])
        header = BatchHeader(
            shard, start, end, last, self._stamp[0], time.perf_counter() - began, self._stamp[1],
            self._chain.mark(),
        )  # fmt: skip
        return Batch(header, samples)

    def _open(self, shard: str, start: int, mark: Mark) -> int:
        """Goes to a position, or to the beginning if it lies in a content that is gone; tells which."""
        self._place = ("", 0)
        self._begin(shard, mark.generation)
        skipped = sum(1 for _ in islice(self._samples, start))
        if not mark.prefix or (skipped == start and self._chain.mark() == mark):
            return start
        self._begin(shard, mark.generation + 1)
        return 0

    def _begin(self, shard: str, generation: int) -> None:
        self._stamp = local_stamp(shard)
        self._chain = _Chain(generation)
        self._samples = self._chain.along(read_samples(shard, 0, self._options.http))

    def _decoded(self, raw: RawSample, digest: str, index: int) -> Sample:
        if raw.reject is not None or raw.image is None:
            return Sample(index, raw.key, raw.url, digest, reject=raw.reject)
        try:
            image, size = self._decode(raw.image, self._options.max_side)
        except RejectError as error:
            return Sample(index, raw.key, raw.url, digest, reject=error)
        return Sample(index, raw.key, raw.url, digest, size, image=image, signature=sign(image))


def _is_damage(sample: RawSample) -> bool:
    return sample.reject is not None and sample.reject.reason in DAMAGE


class _Chain:
    """Digest of all keys and images of a shard up to where it has been read; damage is not a part of it."""

    def __init__(self, generation: int = 0) -> None:
        self._generation = generation
        self._digest = hashlib.blake2b(digest_size=16)

    def along(self, samples: Iterator[RawSample]) -> Iterator[tuple[RawSample, str]]:
        """Samples with the SHA-256 of their images, taken into account as they pass."""
        for sample in samples:
            image = hashlib.sha256(sample.image).hexdigest() if sample.image is not None else ""
            if not _is_damage(sample):
                self._digest.update(f"{sample.key}\0{image}\0".encode())
            yield sample, image

    def mark(self) -> Mark:
        """What the place reached rests on."""
        return Mark(self._generation, self._digest.hexdigest())
