"""The bare encoder: a loop over images that are decoded and in memory already."""

from __future__ import annotations

import itertools
import sys

import torch

from index.backbones import load_backbone
from index.heap import keep_freed_memory
from ops.bench.ingest.work import Tally, decoded, from_argument

_HELD = 2048  # images in memory


def main(argument: str) -> None:
    """Embeds until it is ended."""
    work = from_argument(argument)
    keep_freed_memory()
    torch.set_num_threads(work.threads)
    encoder = load_backbone(work.backbone, precision=work.precision)
    images = decoded(work, _HELD)
    tally = Tally(work.tally)
    for start in itertools.cycle(range(0, len(images), work.batch)):
        batch = images[start : start + work.batch]
        encoder.embed(batch)
        tally.add(len(batch))


if __name__ == "__main__":
    main(sys.argv[1])
