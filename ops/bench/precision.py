"""What cheaper arithmetic of the encoder costs: processor time beside the clustering it leads to.

In turns, batch by batch, on one thread: float32, bfloat16, and 8-bit integers in the linear layers of the ViT (dynamic
quantisation, where activations are scaled as they come) with bfloat16 in the EfficientNet: as offered, by ONNX Runtime
image by image, and by torch, whole batches. Partitions are those of the clusterer alone, fed in the order of the
shards.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from index.backbones.compute import cast_once
from index.backbones.embedded import EmbeddedBackbone
from index.clustering import make_clusterer
from index.precision import Precision
from index.stream.decode import decode_image
from index.stream.tar import read_samples
from index.views import ObjectView
from ops.bench.masks import iou
from ops.bench.partition import PartitionScore, score_partition
from ops.bench.report import Measure, Report
from ops.bench.truth import load_truth

_BATCH, _MAX_SIDE, _LEARN = 16, 512, 32
EXACT = "fp32"
Tell = Callable[[str], None]


class TorchInt8Backbone(EmbeddedBackbone):
    """The embedded backbone with 8-bit linear layers in its ViT by torch's quantisation, for CPUs."""

    def __init__(self) -> None:
        super().__init__(device="cpu", precision="fp32")
        quantise: Any = torch.ao.quantization.quantize_dynamic
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # torch says that it will move
            self._vit = quantise(self._vit, {nn.Linear}, torch.qint8)
        self._dtype = torch.bfloat16
        cast_once(self._dtype, self._net)

    def _tokens(self, inputs: Tensor) -> list[Tensor]:
        with torch.autocast("cpu", enabled=False):  # quantised layers take float32
            return super()._tokens(inputs)


@dataclass
class Arithmetic:
    """One kind of arithmetic: its encoder, and what came out of it."""

    encoder: EmbeddedBackbone
    seconds: float = 0.0
    views: dict[str, ObjectView] = field(default_factory=dict)

    def embed(self, keys: Sequence[str], images: Sequence[NDArray[np.uint8]]) -> None:
        """Embeds one batch, and takes the processor time of it."""
        began = time.process_time()
        found = self.encoder.embed(images)
        self.seconds += time.process_time() - began
        self.views.update({key: one for key, one in zip(keys, found, strict=True) if isinstance(one, ObjectView)})


def encoders() -> dict[str, EmbeddedBackbone]:
    """What is compared."""
    offered: tuple[Precision, ...] = ("fp32", "bf16", "int8")
    return {**{name: EmbeddedBackbone(precision=name) for name in offered}, "int8 by torch": TorchInt8Backbone()}


def run(data: Path, limit: int, tell: Tell = lambda line: None) -> Report:
    """Embeds the images of a set by each arithmetic in turns, and clusters what comes out.

    Raises:
        StateError: there is no truth beside the shards.
    """
    truth = {key: record.shape for key, record in load_truth(data).images.items()}
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        kinds = {name: Arithmetic(encoder) for name, encoder in encoders().items()}
        images = _embed_all(kinds, islice(_images(data), limit), tell)
    finally:
        torch.set_num_threads(threads)
    scores = {name: partition(kind.views, truth) for name, kind in kinds.items()}
    return Report("arithmetic of the encoder", _measures(kinds, scores, images), {"images": images, "threads": 1})


def _images(data: Path) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    for shard in sorted((data / "shards").glob("*.tar")):
        for sample in read_samples(str(shard)):
            if sample.image is not None:
                yield sample.key, decode_image(sample.image, _MAX_SIDE)[0]


def _embed_all(kinds: dict[str, Arithmetic], images: Iterator[tuple[str, NDArray[np.uint8]]], tell: Tell) -> int:
    done = 0
    while batch := list(islice(images, _BATCH)):
        keys, pictures = zip(*batch, strict=True)
        for kind in kinds.values():
            kind.embed(keys, pictures)
        done += len(batch)
        if done % (10 * _BATCH) == 0:
            tell(f"{done} images, ms each: {', '.join(f'{n} {1000 * k.seconds / done:.0f}' for n, k in kinds.items())}")
    return done


def partition(views: dict[str, ObjectView], truth: dict[str, str]) -> PartitionScore:
    """How well the clusterer's groups of the views agree with the truth."""
    clusterer = make_clusterer("linkage")
    vectors = np.stack([view.descriptor for view in views.values()])
    micros = [clusterer.learn_many(vectors[start : start + _LEARN]).micros for start in range(0, len(vectors), _LEARN)]
    clusterer.settle()
    found = clusterer.labels_of(np.concatenate(micros)).tolist()
    return score_partition([truth[key] for key in views], found)


def _measures(kinds: dict[str, Arithmetic], scores: dict[str, PartitionScore], images: int) -> list[Measure]:
    """Each figure of the cheaper kinds beside float32's."""
    exact = kinds[EXACT]
    found = []
    for name, kind in kinds.items():
        if name == EXACT:
            continue
        both = [(kind.views[key], view) for key, view in exact.views.items() if key in kind.views]
        each, plain = 1000 * kind.seconds / images, 1000 * exact.seconds / images
        found += [
            Measure(f"{name}: processor time of an image, ms", each, "lower", {EXACT: plain}),
            Measure(f"{name}: ARI", scores[name].ari, "higher", {EXACT: scores[EXACT].ari}),
            Measure(f"{name}: NMI", scores[name].nmi, "higher", {EXACT: scores[EXACT].nmi}),
            Measure(f"{name}: cosine of descriptors", float(np.mean([a.descriptor @ b.descriptor for a, b in both]))),
            Measure(f"{name}: IoU of masks", float(np.mean([iou(a.mask, b.mask) for a, b in both]))),
            Measure(f"{name}: objects found in one of the two", len(exact.views.keys() ^ kind.views.keys()), "context"),
        ]
    return found
