"""A batch over which its embedder died or broke: embeds it once more, in parts, and refuses the image that does it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from threading import Event

from actors.answers import Ref, get, wait
from actors.crew import Crew
from index.stream.batch import Batch, Sample
from index.stream.embed import joined
from ops.errors import RejectError, WorkerError
from ops.logs import get_logger

_log = get_logger("stream")
_WAIT_S = 0.5
_TRIES = 3  # a process may die of something else at the same moment, hardly so three times in a row


class Triage:
    """Finds what breaks an embedder by halving.

    Nothing else is embedded meanwhile, or an image could be blamed for what another does in the same process. Before
    every attempt the embedder embeds a plain picture, so that an image is blamed only if the embedder was alive and
    well just before, and only after it has broken it three times when sent alone.
    """

    def __init__(self, crew: Crew) -> None:
        self._crew = crew
        self._stopped = Event()
        self._reason = ""

    def stop(self) -> None:
        """Gives up at the next opportunity."""
        self._stopped.set()

    def embed(self, ref: Ref, others: Sequence[Ref]) -> Batch | None:
        """The embedded batch, those that can't be embedded refused; None if `stop` was called.

        Args:
            ref: reference of the batch as it was read.
            others: of what embedders were given beside it, which is waited for.

        Raises:
            WorkerError: the embedder fails on a plain picture as well.
        """
        batch: Batch = get(ref)
        _log.warning(
            "embedding samples %d to %d of %s has failed; trying again, in parts if need be",
            batch.header.start, batch.header.end, batch.header.shard,
        )  # fmt: skip
        for other in others:
            while not self._stopped.is_set() and not wait([other], _WAIT_S):
                pass
        parts = self._parts(batch)
        return None if self._stopped.is_set() else joined(parts)

    def _parts(self, batch: Batch) -> list[Batch]:
        whole = self._tried(batch)
        if whole is not None:
            return [whole]
        if self._stopped.is_set():
            return []
        samples = batch.samples
        if all(sample.image is None for sample in samples):
            raise WorkerError(f"the embedder fails even without an image: {self._reason}", died=False)
        if len(samples) == 1:
            return self._parts(replace(batch, samples=[self._refused(samples[0])]))
        half = len(samples) // 2
        return [part for some in (samples[:half], samples[half:]) for part in self._parts(replace(batch, samples=some))]

    def _tried(self, batch: Batch) -> Batch | None:
        embedder = self._crew.embedders[0]
        for _ in range(_TRIES if len(batch.samples) <= 1 else 1):
            if self._stopped.is_set():
                return None
            get(embedder.check.remote())
            try:
                embedded: Batch = get(embedder.embed.remote(batch))
            except WorkerError as error:
                self._reason = str(error)
            else:
                return embedded
        return None

    def _refused(self, sample: Sample) -> Sample:
        error = RejectError("breaks_embedder", f"{self._reason}, {_TRIES} times when embedded alone")
        _log.error("sample %s: %s", sample.key, error, extra={"image": sample.key, "reason": error.reason})
        return replace(sample, image=None, reject=error)


def is_lost(ref: Ref) -> bool:
    """A batch could not be embedded, or has gone with its node."""
    try:
        get(ref)
    except WorkerError:
        return True
    return False
