"""Ray Data over the same shards with the same encoder: read, decode, describe, as its guide has it.

It does less than the daemon: images are decoded without a sandbox, of what the encoder finds only descriptors are kept,
and nothing is clustered or stored.
"""

from __future__ import annotations

import importlib
import logging
import os
import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from index.stream.decode import decode_image
from ops.bench.ingest.work import Tally, from_argument
from ops.errors import RejectError

_SUFFIX = "jpg"


class Describe:
    """Describes batches; an actor of Ray Data's pool."""

    def __init__(self, argument: str) -> None:
        import torch

        from index.backbones import load_backbone

        work = from_argument(argument)
        if work.threads:
            torch.set_num_threads(work.threads)
        self._encoder = load_backbone(work.backbone, precision=work.precision)
        self._tally = Tally(work.tally)

    def __call__(self, batch: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Descriptors ``(N, D)`` of a batch with images under ``jpg``; zeros where there is no object."""
        found = self._encoder.embed(list(batch[_SUFFIX]))
        nothing = np.zeros(self._encoder.dim, np.float32)
        self._tally.add(len(found))
        return {"descriptor": np.stack([nothing if isinstance(one, RejectError) else one.descriptor for one in found])}


def main(argument: str) -> None:
    """Describes all shards once."""
    work = from_argument(argument)
    importlib.import_module("actors")  # keeps Ray on loopback, which has to be said before Ray is imported
    import ray

    data = importlib.import_module("ray.data")
    # Ray sets a CPU aside for each worker, and would have none left to read with where there is a worker a core.
    cpus = (os.cpu_count() or 1) + (work.workers if work.threads else 0)
    ray.init(address="local", num_cpus=cpus, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)

    def decode(sample: dict[str, Any]) -> dict[str, Any]:
        return {_SUFFIX: decode_image(sample[_SUFFIX], work.max_side)[0]}

    images = data.read_webdataset(list(work.shards), decoder=decode, suffixes=[_SUFFIX])
    described = images.map_batches(
        Describe, fn_constructor_args=(argument,), batch_size=work.batch, concurrency=work.workers
    )
    for _ in described.iter_batches(batch_size=None):
        pass


if __name__ == "__main__":
    main(sys.argv[1])
