"""Which shards are still to be read, from where, as the input goes on growing or not."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from index.records import ShardRecord
from index.stream.batch import BatchHeader, Mark, content_name
from index.stream.sources import expand, is_url, local_stamp
from ops.errors import RejectError


@dataclass(frozen=True, slots=True)
class Stretch:
    """A shard to read from a position on, and what the position rests on."""

    shard: str
    start: int
    mark: Mark = field(default_factory=Mark)


class ShardPlan:
    """Hands out shards in order, each once, skipping what is committed already.

    With ``follow`` the patterns are looked at again and again: new shards are handed out once they have
    stopped changing for ``settle_s`` seconds, and so are shards that changed after they had been read.
    A remote shard that was read to its end is never looked at again.
    """

    def __init__(
        self,
        patterns: Sequence[str],
        known: Iterable[ShardRecord],
        *,
        follow: bool,
        settle_s: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Expands the patterns once.

        Raises:
            SourceError: a pattern matches nothing, without ``follow``.
        """
        self._patterns = list(patterns)
        self._known = _latest(known)
        self._follow = follow
        self._settle_s = settle_s
        self._clock = clock
        self._stamps: dict[str, tuple[tuple[int, int], float]] = {}
        self._handed: dict[str, tuple[int, int]] = {}
        self.refused: list[tuple[str, RejectError]] = []
        self.skipped: list[ShardRecord] = []
        self.resumed: list[ShardRecord] = []
        self._waiting: list[str] = []
        shards, self.refused = expand(self._patterns, follow=follow)
        self._admit(shards)

    def _admit(self, shards: Iterable[str]) -> None:
        for shard in shards:
            if shard in self._waiting or self._is_read(shard):
                continue
            self._waiting.append(shard)

    def _is_read(self, shard: str) -> bool:
        stamp = local_stamp(shard)
        if shard in self._handed:
            return self._handed[shard] == stamp or self._is_blocked(shard)
        record = self._known.get(shard)
        if record is not None and (record.blocked or (record.done and _stamp_of(record, stamp) == stamp)):
            self._handed[shard] = stamp
            self.skipped.append(record)
            return True
        return False

    def _is_blocked(self, shard: str) -> bool:
        """A person deleted it: whatever it holds by now would be refused."""
        record = self._known.get(shard)
        return record is not None and record.blocked

    def look_again(self) -> None:
        """Looks for new and grown shards; only with ``follow``."""
        if self._follow:
            shards, _ = expand(self._patterns, follow=True)
            self._admit(shards)

    def next(self) -> Stretch | None:
        """The next shard that may be read now, or None."""
        for shard in self._waiting:
            if not self._follow or is_url(shard) or self._has_settled(shard):
                self._waiting.remove(shard)
                return self._hand_out(shard)
        return None

    def _hand_out(self, shard: str) -> Stretch:
        self._handed[shard] = local_stamp(shard)
        record = self._known.get(shard)
        if record is not None and record.cursor and not record.done:
            self.resumed.append(record)
        return Stretch(shard, record.cursor, Mark(record.generation, record.prefix)) if record else Stretch(shard, 0)

    def _has_settled(self, shard: str) -> bool:
        stamp, now = local_stamp(shard), self._clock()
        seen, since = self._stamps.get(shard, ((-1, 0), now))
        if stamp != seen:
            self._stamps[shard] = (stamp, now)
            return self._settle_s == 0
        return now - since >= self._settle_s

    def committed(self, header: BatchHeader, cursor: int) -> None:
        """Remembers how far a shard has been committed, for when it changes."""
        mark = header.mark
        self._known[header.shard] = ShardRecord(header.shard, cursor, generation=mark.generation, prefix=mark.prefix)

    @property
    def waiting(self) -> int:
        """Shards not handed out yet."""
        return len(self._waiting)

    @property
    def finite(self) -> bool:
        """The input ends when nothing waits."""
        return not self._follow


def _latest(records: Iterable[ShardRecord]) -> dict[str, ShardRecord]:
    """The record of the latest content of each shard."""
    ordered = sorted(records, key=lambda record: record.generation)
    return {record.url.removesuffix(content_name("", record.generation)): record for record in ordered}


def _stamp_of(record: ShardRecord, now: tuple[int, int]) -> tuple[int, int]:
    # Records of the first version know no time.
    return record.size, record.mtime_ns or now[1]
