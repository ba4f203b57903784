"""The beginning of a library in parts: the stream's first images tell which part is to hold what."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from actors.answers import get
from actors.crew import Crew
from daemon.config import Config
from index.stream.batch import Batch, BatchHeader, Mark
from index.stream.sources import expand
from ops.errors import SourceError, WorkerError
from ops.logs import get_logger

_log = get_logger("parts")


def found_parts(crew: Crew, patterns: Sequence[str], config: Config) -> None:
    """Divides a new library into parts; one that has been divided is left as it is.

    The images it learns from are only looked at: the stream begins with them all the same.

    Args:
        crew: its actors.
        patterns: shards as a person gives them.
        config: all settings.

    Raises:
        ConfigError: the input has too few images.
    """
    if get(crew.miner.is_routed.remote()):
        return
    wanted = config.parts.sample
    _log.info("learning from the first %d objects which of %d parts is to hold what", wanted, config.parts.count)
    found: list[NDArray[np.float32]] = []
    for batch in _first_batches(crew, patterns, config.stream.batch_size):
        found += [view.descriptor for sample in batch.samples for view in sample.views]
        if len(found) >= wanted:
            break
    rows = np.stack(found[:wanted]) if found else np.zeros((0, crew.info.dim), np.float32)
    get(crew.miner.route.remote(rows))
    _log.info("learnt from %d objects", len(rows))


def _first_batches(crew: Crew, patterns: Sequence[str], size: int) -> Iterator[Batch]:
    """Embedded batches from the beginning of the input; what can't be read or embedded is passed over here."""
    shards, _ = expand(patterns, follow=True)
    for shard in shards:
        start, mark = 0, Mark()
        while True:
            header_ref, batch_ref = crew.readers[0].read.remote(shard, start, size, mark)
            try:
                header: BatchHeader = get(header_ref)
            except (SourceError, WorkerError):
                break  # the stream will say so, and count it
            try:
                yield get(crew.embedders[0].embed.remote(batch_ref))
            except WorkerError as error:
                _log.warning("not learning from samples %d to %d of %s: %s", header.start, header.end, shard, error)
            start, mark = header.end, header.mark
            if header.last:
                break
