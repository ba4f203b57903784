"""ShardReader: decodes samples of webdataset shards."""

from __future__ import annotations

import ray

from actors.resources import claim_process, resident_bytes
from index.stream.batch import Batch, BatchHeader, Mark, ShardCursor
from index.stream.options import ReadOptions
from index.stream.sandbox import DecoderPool
from ops.logs import LogOptions


class ShardReader:
    """Reads shards batch by batch; any position can be asked for, so a restart loses nothing."""

    def __init__(self, logs: LogOptions, options: ReadOptions) -> None:
        claim_process(logs)
        self._cursor = ShardCursor(options, DecoderPool(options.decode))

    @ray.method(num_returns=2)
    def read(self, shard: str, start: int, count: int, mark: Mark) -> tuple[BatchHeader, Batch]:
        """Reads up to ``count`` samples; the header comes apart, so that the batch need not travel with it."""
        batch = self._cursor.read(shard, start, count, mark)
        return batch.header, batch

    def memory(self) -> int:
        """Resident memory in bytes."""
        return resident_bytes()
