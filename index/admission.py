"""Which samples of a batch become images: the border where keys, vectors and views are checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from index.codec import decode_vector, encode_vector
from index.copies import find_copied, put_signature
from index.records import ShardRecord
from index.store import Transaction
from index.stream.batch import Sample
from index.stream.tar import DAMAGE
from index.tables import DELETED, SAMPLE_KEYS, decode_key, digest
from index.views import CROP_SIZE, ObjectView
from ops.errors import RejectError

Verdict = tuple[RejectError | None, int]
"""Why a sample is refused, and the stored image that it is a copy of, -1 for none."""
_NEW: Verdict = (None, -1)
_NORM_TOLERANCE = 0.02  # float16 costs a thousandth


@dataclass(frozen=True, slots=True)
class Refused:
    """What a reject record is made of; ``index`` is -1 for what is no sample, ``of`` for what is no copy."""

    index: int
    key: str
    error: RejectError
    of: int = -1


@dataclass(frozen=True, slots=True)
class Stored:
    """One object of a sample; ``place`` is 0 for the largest, which stands for the image."""

    sample: Sample
    view: ObjectView
    place: int


@dataclass
class Draft:
    """Objects of a batch that will be stored, as they are numbered, and how many images are stored with them."""

    stored: int = 0
    ids: list[int] = field(default_factory=list)
    objects: list[Stored] = field(default_factory=list)
    vectors: list[NDArray[np.float32]] = field(default_factory=list)
    rejects: list[Refused] = field(default_factory=list)


def admit(
    txn: Transaction, shard: ShardRecord, samples: Sequence[Sample], next_id: int, dim: int, *, near: bool
) -> Draft:
    """Sorts samples into images, one for each object, and refusals; stores signatures, so that the next ones find them.

    Args:
        txn: the batch's transaction.
        shard: the shard they are of.
        samples: of one batch, those not committed yet.
        next_id: number of the next image.
        dim: length of a descriptor.
        near: refuse near-copies, too.
    """
    draft = Draft()
    keys: set[str] = set()
    images: dict[str, int] = {}
    for sample in samples:
        refusal, twin = sample.reject or _barred(shard) or _unfit(sample.views, dim), -1
        if refusal is None:
            refusal, twin = _repeated(txn, shard.url, sample, keys, images)
        if refusal is None and near:
            refusal, twin = _nearly_repeated(txn, sample)
        if refusal is not None or not sample.views:
            index = -1 if refusal is not None and refusal.reason in DAMAGE else sample.index
            draft.rejects.append(Refused(index, sample.key, refusal or RejectError("not_embedded", "no view"), twin))
            continue
        number = next_id + len(draft.ids)
        keys.add(sample.key)
        images[sample.sha256] = number
        if sample.signature is not None:
            put_signature(txn, number, sample.signature)
        for place, view in enumerate(sample.views):
            draft.ids.append(number + place)
            draft.objects.append(Stored(sample, view, place))
            # What clusters is what is stored: a restart must see the very same vectors.
            draft.vectors.append(decode_vector(encode_vector(view.descriptor)))
    return draft


def _repeated(txn: Transaction, shard: str, sample: Sample, keys: set[str], images: dict[str, int]) -> Verdict:
    """Whether a sample is one that came before, by its key in this shard or by its image anywhere."""
    if sample.key in keys or txn.get(SAMPLE_KEYS, digest(shard, sample.key)) is not None:
        return RejectError("duplicate_key", f"key {sample.key!r} came before in this shard"), -1
    raw = txn.get(SAMPLE_KEYS, sample.sha256)
    twin = images.get(sample.sha256) if raw is None else decode_key(raw)
    if twin is None:
        return _NEW
    if txn.get(DELETED, twin) is not None:
        return RejectError("deleted_image", f"the same file was image {twin}, which was deleted"), -1
    return RejectError("duplicate_image", f"the same file is stored as image {twin}"), twin


def _nearly_repeated(txn: Transaction, sample: Sample) -> Verdict:
    """Whether a sample is the image of one that came before, encoded, scaled or toned anew."""
    twin = find_copied(txn, sample.signature) if sample.signature is not None else None
    if twin is None:
        return _NEW
    return RejectError("near_duplicate", f"nearly the same picture is stored as image {twin}"), twin


def _barred(shard: ShardRecord) -> RejectError | None:
    return RejectError("deleted_source", "its source was deleted") if shard.blocked else None


def _unfit(views: Sequence[ObjectView], dim: int) -> RejectError | None:
    """Why an image must not be stored, whatever backbone its views came from."""
    return next((fault for view in views if (fault := _unfit_view(view, dim)) is not None), None)


def _unfit_view(view: ObjectView, dim: int) -> RejectError | None:
    vector = np.asarray(view.descriptor)
    if vector.shape != (dim,):
        return RejectError("bad_vector", f"a descriptor of shape {vector.shape}, not ({dim},)")
    with np.errstate(over="ignore"):
        length = float(np.linalg.norm(vector.astype(np.float16).astype(np.float64)))
    if not np.isfinite(length):
        return RejectError("bad_vector", "a descriptor that is not finite")
    if abs(length - 1) > _NORM_TOLERANCE:
        return RejectError("bad_vector", f"a descriptor of length {length:.3g}, not 1")
    side = (CROP_SIZE, CROP_SIZE)
    if view.crop.shape != (*side, 3) or view.mask.shape != side:
        return RejectError("bad_view", f"a crop of shape {view.crop.shape}, a mask of shape {view.mask.shape}")
    if not np.isfinite([*view.box, view.foreground]).all():
        return RejectError("bad_view", "a box that is not finite")
    return None
