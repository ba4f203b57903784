"""Near-copies: which alterations of a photo are seen through, how many other photos are taken for copies, at what cost.

Baselines of the same run: the hash alone, with the ten bits of slack that are common for it, and the cosine of
descriptors.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageEnhance

from index.backbones import load_backbone
from index.copies import find_copied, put_signature
from index.store import Store, Transaction
from index.stream.batch import ShardCursor
from index.stream.options import ReadOptions
from index.stream.signature import BITS, THUMBNAIL, Signature, apart, sign
from ops.bench.report import Measure, Report
from ops.errors import ConfigError, RejectError

Picture = Image.Image
Tell = Callable[[str], None]
Told = tuple[bool, bool, bool]
"""Whether signatures, the hash alone and descriptors know a copy."""
_SLACK = 10
_COSINE = 0.95
_LOOKUPS = 400
_FEW = 10_000
_HASH_ALONE = f"hash alone, {_SLACK} bits"
_DESCRIPTOR = f"cosine of descriptors from {_COSINE}"


@dataclass(frozen=True, slots=True)
class Settings:
    """What is tried.

    Attributes:
        photos: photos of each set that are altered.
        images: signatures of the library that lookups are timed in, over one of 10,000.
        backbone: describes the photos.
        seed: draws photos and signatures.
    """

    photos: int = 60
    images: int = 200_000
    backbone: str = "embedded"
    seed: int = 0


def run(folders: Sequence[Path], settings: Settings, tell: Tell) -> Report:
    """Alters photos of each folder of shards, and looks for what is altered among all of them.

    Raises:
        ConfigError: a folder has too few photos.
        BackboneError: the backbone can't be loaded.
    """
    seen: dict[str, list[Told]] = {name: [] for name in ALTERATIONS}
    measures: list[Measure] = []
    total = 0
    for folder in folders:
        photos = list(_photos(folder))
        if len(photos) < settings.photos:
            raise ConfigError(f"{folder} has {len(photos)} photos, {settings.photos} are wanted")
        tell(f"{folder.name}: {len(photos)} photos")
        total += len(photos)
        measures.append(_taken_for_copies(folder.name, photos))
        drawn = np.random.default_rng(settings.seed).permutation(len(photos))[: settings.photos]
        for name, told in _altered([photos[place] for place in drawn], settings.backbone):
            seen[name] += told
    for name, told in seen.items():
        ours, hashed, described = np.mean(told, axis=0).tolist()
        measures.append(Measure(f"recognised, {name}", ours, "higher", {_HASH_ALONE: hashed, _DESCRIPTOR: described}))
    measures.append(_cost(settings))
    return Report(
        "near-copies", measures, {"photos": total, "altered of each set": settings.photos, "seed": settings.seed}
    )


def _photos(folder: Path) -> Iterator[NDArray[np.uint8]]:
    cursor = ShardCursor(ReadOptions())
    for shard in sorted((folder / "shards").glob("*.tar")):
        start, last = 0, False
        while not last:
            batch = cursor.read(str(shard), start, 64)
            yield from (sample.image for sample in batch.samples if sample.image is not None)
            start, last = batch.header.end, batch.header.last


def _taken_for_copies(name: str, photos: Sequence[NDArray[np.uint8]]) -> Measure:
    """How many photos of a set are taken for a copy of another one of it; some sets do hold copies."""
    signatures = [signature for photo in photos if (signature := sign(photo)) is not None]
    bits = np.array([[signature.bits >> place & 1 for place in range(BITS)] for signature in signatures], np.float32)
    distances = bits @ (1 - bits).T
    distances += distances.T
    np.fill_diagonal(distances, BITS)
    taken = 0
    with _library() as store, store.write() as txn:
        for number, signature in enumerate(signatures):
            if find_copied(txn, signature) is not None:
                taken += 1
            else:
                put_signature(txn, number, signature)
    hashed = int((np.tril(distances <= _SLACK, -1)).any(1).sum())
    return Measure(f"{name}: photos taken for copies", taken, "context", {_HASH_ALONE: hashed})


def _altered(photos: Sequence[NDArray[np.uint8]], backbone: str) -> Iterator[tuple[str, list[Told]]]:
    """Each alteration, and who knows each altered photo for what it was; photos without an object are left out."""
    encoder = load_backbone(backbone)
    views = encoder.embed(photos)
    kept = [
        (photo, view.descriptor, signature)
        for photo, view in zip(photos, views, strict=True)
        if not isinstance(view, RejectError) and (signature := sign(photo)) is not None
    ]
    with _library() as store, store.write() as txn:
        for number, (_, _, signature) in enumerate(kept):
            put_signature(txn, number, signature)
        for name, alter in ALTERATIONS.items():
            altered = [np.asarray(alter(Image.fromarray(photo))) for photo, _, _ in kept]
            told: list[Told] = []
            for number, (picture, view) in enumerate(zip(altered, encoder.embed(altered), strict=True)):
                signature = sign(picture) or Signature(0, bytes(THUMBNAIL**2))
                _, descriptor, original = kept[number]
                told.append(
                    (
                        find_copied(txn, signature) == number,
                        apart(original.bits, signature.bits) <= _SLACK,
                        not isinstance(view, RejectError) and bool(view.descriptor @ descriptor >= _COSINE),
                    )
                )
            yield name, told


def _cost(settings: Settings) -> Measure:
    """Median time of a lookup among many signatures, beside one among ten thousand."""
    rng = np.random.default_rng(settings.seed)
    times = []
    with _library() as store:
        stored = 0
        for count in (min(_FEW, settings.images), settings.images):
            for start in range(stored, count, _FEW):
                numbers = range(start, min(start + _FEW, count))
                _store_all(store, [(number, _random(rng)) for number in numbers])
            stored = count
            with store.read() as txn:
                spent = []
                for _ in range(_LOOKUPS):
                    wanted, began = _random(rng), time.perf_counter()
                    find_copied(txn, wanted)
                    spent.append(time.perf_counter() - began)
            times.append(float(np.median(spent)) * 1e3)
    few = f"among {min(_FEW, settings.images):,}"
    return Measure(f"ms of a lookup among {settings.images:,}", times[1], "lower", {few: times[0]})


def _store_all(store: Store, signatures: Sequence[tuple[int, Signature]]) -> None:
    def work(txn: Transaction) -> None:
        for number, signature in signatures:
            put_signature(txn, number, signature)

    store.transact(work)


def _random(rng: np.random.Generator) -> Signature:
    return Signature(int(rng.integers(1 << BITS)), rng.integers(256, size=THUMBNAIL**2, dtype=np.uint8).tobytes())


@contextmanager
def _library() -> Iterator[Store]:
    """A store that is gone on leaving."""
    with TemporaryDirectory() as folder, closing(Store(Path(folder), readonly=False, map_size_gib=16.0)) as store:
        yield store


def _encoded(picture: Picture, quality: int) -> Picture:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer, formats=("JPEG",)).convert("RGB")


def _scaled(picture: Picture, factor: float) -> Picture:
    return picture.resize((max(round(picture.width * factor), 64), max(round(picture.height * factor), 64)))


def _cut(picture: Picture, share: float) -> Picture:
    width, height = picture.size
    return picture.crop((int(width * share), int(height * share), int(width * (1 - share)), int(height * (1 - share))))


def _marked(picture: Picture) -> Picture:
    picture = picture.copy()
    width, height = picture.size
    ImageDraw.Draw(picture).rectangle((0.05 * width, 0.88 * height, 0.35 * width, 0.95 * height), fill=(255, 255, 255))
    return picture


ALTERATIONS: dict[str, Callable[[Picture], Picture]] = {
    "JPEG of quality 30": lambda picture: _encoded(picture, 30),
    "half as large": lambda picture: _scaled(picture, 0.5),
    "twice as large": lambda picture: _scaled(picture, 2.0),
    "without colours": lambda picture: picture.convert("L").convert("RGB"),
    "a fifth darker": lambda picture: ImageEnhance.Brightness(picture).enhance(0.8),
    "a fifth brighter": lambda picture: ImageEnhance.Brightness(picture).enhance(1.2),
    "a third more contrast": lambda picture: ImageEnhance.Contrast(picture).enhance(1.33),
    "cut by 3 % a side": lambda picture: _cut(picture, 0.03),
    "a mark on 2 % of it": _marked,
    "mirrored": lambda picture: picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
}
