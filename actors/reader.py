"""ShardReader: decodes samples of webdataset shards."""

from __future__ import annotations

import ray

from actors.resources import claim_process, resident_bytes
from index.stream.batch import Batch, BatchHeader, ShardCursor


class ShardReader:
    """Reads shards batch by batch; any position can be asked for, so a restart loses nothing."""

    def __init__(self, max_side: int) -> None:
        claim_process(1)
        self._cursor = ShardCursor(max_side)

    @ray.method(num_returns=2)
    def read(self, shard: str, start: int, count: int) -> tuple[BatchHeader, Batch]:
        """Reads up to ``count`` samples; the header comes apart, so that the batch need not travel with it."""
        batch = self._cursor.read(shard, start, count)
        return batch.header, batch

    def memory(self) -> int:
        """Resident memory in bytes."""
        return resident_bytes()
