"""Reading and embedding ahead of the writer, in a fixed order, with a bound on what is in flight.

A lane is one shard on its way: batches are read one after another, each is embedded as soon as it is
read, and batches leave in the order of the input, so that two runs over the same shards commit the same
batches in the same order whatever finished first.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from daemon.plan import ShardPlan, Stretch
from index.stream.batch import BatchHeader, Mark

if TYPE_CHECKING:
    from actors.answers import Ref


class Pending(NamedTuple):
    """A batch that waits to be committed.

    Attributes:
        header: what is known of it.
        read: reference of the batch as it was read.
        embedded: reference of the batch once embedded.
    """

    header: BatchHeader
    read: Ref
    embedded: Ref


@dataclass
class Lane:
    """One shard on its way."""

    stretch: Stretch
    reader: int
    position: int
    mark: Mark
    reading: tuple[Ref, Ref] | None = None
    embedded: deque[Pending] = field(default_factory=deque)
    ended: bool = False

    @property
    def load(self) -> int:
        """Batches of the lane in flight."""
        return len(self.embedded) + (self.reading is not None)


class Lanes:
    """The shards being read, the first of which is the one being committed."""

    def __init__(
        self,
        plan: ShardPlan,
        read: Callable[[int, str, int, Mark], tuple[Ref, Ref]],
        embed: Callable[[Ref], Ref],
        *,
        readers: int,
        in_flight: int,
    ) -> None:
        """Sets up without reading yet.

        Args:
            plan: where shards come from.
            read: starts reading a batch: (reader, shard, position, its mark) to references of header and batch.
            embed: starts embedding a batch.
            readers: shards read at once.
            in_flight: most batches read or embedded but not taken.
        """
        self._plan = plan
        self._read = read
        self._embed = embed
        self._in_flight = in_flight
        self._idle = list(range(readers))
        self._lanes: deque[Lane] = deque()

    def feed(self) -> None:
        """Starts as many reads as the bound allows."""
        while self._idle and self.load < self._in_flight and (stretch := self._plan.next()) is not None:
            self._lanes.append(Lane(stretch, self._idle.pop(0), stretch.start, stretch.mark))
        for lane in self._lanes:
            # The first lane may always have one batch on its way, or the others could starve it.
            room = self.load < self._in_flight or (lane is self._lanes[0] and lane.load == 0)
            if lane.reading is None and not lane.ended and room:
                lane.reading = self._read(lane.reader, lane.stretch.shard, lane.position, lane.mark)

    def reads(self) -> list[Ref]:
        """References of the headers being waited for."""
        return [lane.reading[0] for lane in self._lanes if lane.reading is not None]

    def embedding(self) -> list[Ref]:
        """References of the batches that are embedded or to be, all but those taken."""
        return [pending.embedded for lane in self._lanes for pending in lane.embedded]

    def on_read(self, ref: Ref, header: BatchHeader) -> None:
        """A batch has been read: embeds it and moves its lane on."""
        lane = self._of(ref)
        assert lane.reading is not None
        batch = lane.reading[1]
        lane.embedded.append(Pending(header, batch, self._embed(batch)))
        lane.reading = None
        lane.position, lane.mark = header.end, header.mark
        if header.last:
            self._end(lane)

    def on_failed_read(self, ref: Ref) -> str:
        """A shard can't be read: ends its lane and tells which it was."""
        lane = self._of(ref)
        lane.reading = None
        self._end(lane)
        return lane.stretch.shard

    def _end(self, lane: Lane) -> None:
        lane.ended = True
        self._idle.append(lane.reader)

    def _of(self, ref: Ref) -> Lane:
        return next(lane for lane in self._lanes if lane.reading is not None and lane.reading[0] == ref)

    def head(self) -> Pending | None:
        """The batch to be committed next, if it has been read."""
        while self._lanes and self._lanes[0].ended and not self._lanes[0].embedded:
            self._lanes.popleft()
        return self._lanes[0].embedded[0] if self._lanes and self._lanes[0].embedded else None

    def take(self) -> Pending:
        """Removes the batch to be committed next."""
        return self._lanes[0].embedded.popleft()

    def stop_reading(self, keep: int) -> None:
        """Forgets reads under way and all batches but the first ``keep``; the rest is read again by the next run."""
        for lane in self._lanes:
            lane.reading = None
            lane.ended = True
            lane.embedded = deque(list(lane.embedded)[:keep])
            keep -= len(lane.embedded)
        self._idle.clear()

    @property
    def load(self) -> int:
        """Batches in flight."""
        return sum(lane.load for lane in self._lanes)

    @property
    def full(self) -> bool:
        """The bound on what is in flight holds reading back."""
        return self.load >= self._in_flight

    @property
    def empty(self) -> bool:
        """Nothing is on its way."""
        return self.head() is None and not self._lanes
