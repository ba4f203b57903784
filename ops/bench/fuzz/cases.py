"""One case: a file that its number alone decides, and what became of it."""

from __future__ import annotations

import io
import random
import tarfile
from pathlib import Path

import msgspec

from index.stream.decode import decode_image
from index.stream.tar import read_samples
from ops.bench.fuzz.corpus import images, tars
from ops.bench.fuzz.mutate import mutate
from ops.errors import RejectError

_SIDE = 64
_BLOCK = 512


class Case(msgspec.Struct, frozen=True):
    """What became of a mutated file.

    Attributes:
        number: its number.
        kind: ``image`` or ``tar``, and which of them it was.
        outcome: ``read``, a reason for refusal, or what went wrong.
        loss: why it counts as a loss; empty if it does not.
    """

    number: int
    kind: str
    outcome: str = "read"
    loss: str = ""


def name_of(number: int, seed: int) -> str:
    """Which file a case is a mutation of."""
    names = [f"image {name}" for name in images()] * 2 + [f"tar {name}" for name in tars()] * 8
    return random.Random(f"{seed} {number} kind").choice(names)


def file_of(number: int, seed: int) -> bytes:
    """The mutated file of a case."""
    kind, _, name = name_of(number, seed).partition(" ")
    corpus = images() if kind == "image" else tars()
    return mutate(random.Random(f"{seed} {number}"), corpus[name], list(corpus.values()))


def run_case(number: int, seed: int, folder: Path) -> Case:
    """Runs a case in this process."""
    name, data = name_of(number, seed), file_of(number, seed)
    try:
        if name.startswith("image"):
            pixels, _ = decode_image(data, _SIDE)
            bad = pixels.ndim != 3 or max(pixels.shape[:2]) > _SIDE
            return Case(number, name, loss=f"pixels of shape {pixels.shape}" if bad else "")
        return _run_tar(number, name, data, folder)
    except RejectError as error:
        return Case(number, name, error.reason)
    except BaseException as error:
        return Case(number, name, "escaped", f"{type(error).__name__}: {error}"[:200])


def _run_tar(number: int, name: str, data: bytes, folder: Path) -> Case:
    path = folder / "case.tar"
    path.write_bytes(data)
    samples = list(read_samples(str(path)))
    stored = [sample.key for sample in samples if sample.reject is None]
    for sample in samples:
        msgspec.msgpack.encode([sample.key, sample.url, sample.reject and sample.reject.detail])
    whole = [] if name == "tar gzip" else whole_before(tars()[name.removeprefix("tar ")], data)
    if stored[: len(whole)] != whole:
        return Case(number, name, "lost", f"{whole} lie before the damage, {stored} were read")
    reasons = [sample.reject.reason for sample in samples if sample.reject is not None]
    return Case(number, name, reasons[-1] if reasons else "read")


def whole_before(original: bytes, mutated: bytes) -> list[str]:
    """Keys of the samples that lie, with the header behind them, before the first byte that differs."""
    same = next((place for place, pair in enumerate(zip(original, mutated, strict=False)) if pair[0] != pair[1]), None)
    limit = min(len(original), len(mutated)) if same is None else same
    ends: dict[str, int] = {}
    heads: list[int] = []
    with tarfile.open(fileobj=io.BytesIO(original)) as tar:
        for member in tar:
            ends[member.name.partition(".")[0]] = member.offset_data + -(-member.size // _BLOCK) * _BLOCK
            heads.append(member.offset_data)
    heads.append(max(ends.values()) + _BLOCK)
    # The header behind a sample may be several blocks, with a long name: all of it has to be there.
    return [key for key, end in ends.items() if min(head for head in heads if head > end) <= limit]


class Request(msgspec.Struct, frozen=True):
    """Cases a child has to run."""

    seed: int
    numbers: list[int]
    folder: str
