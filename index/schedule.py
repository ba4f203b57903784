"""Which clusters are due for reconstruction, when the others are tried again, and what one is given."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from heapq import nsmallest
from math import inf

import numpy as np

from index.heldout import held_out
from index.heritage import fitted_images, starts_of
from index.jobs import FIELD, JobKind, ReconInput, ReconJob
from index.posed import MOST_POSED, posed_images
from index.priority import priority
from index.reading import content_of, member_ids
from index.records import ClusterRecord, Seed
from index.sizes import StoreSizes
from index.store import Transaction
from index.tables import ARTIFACTS, CLUSTERS, CROPS, MASKS, QUARANTINED
from index.totals import Figures, figures
from ops.errors import NotFoundError

_LONGEST_BACKOFF_S = 3600.0
_SEARCH_JUDGES = 8  # images that judge what a search finds, if the published version has left as many unseen
_MOST_JOBS = 256  # handed out at once; the rest is as due the next time


@dataclass(frozen=True, slots=True)
class Policy:
    """When a cluster is due.

    Attributes:
        min_views: images before the first attempt.
        growth: factor by which it must have grown since the last one.
        max_failures: failures in a row before it is quarantined: left alone until it grows.
        max_images: most images handed to one reconstruction.
        backoff_s: pause after the first failure; each further one doubles it.
        search: factor by which the images of a fit must have grown since its cameras were last searched from nothing,
            for them to be searched once more as the shape is continued: what few images showed may have been wrong.
        max_fitted: most images a reconstruction is fitted to; once a search has seen as many, it sees no more.
        sure: certainty of a published version from which its cameras are not searched once more.
        register: factor by which a cluster must have grown since its images were last given cameras, for the new ones
            to be registered to its shape meanwhile.
        last: factor that stands for that of fits once the stream has ended, where a fit can see more images than the
            one before, and for that of searches then, too, and where a fit sees as many images as it ever will.
        ended: nothing more will come.
    """

    min_views: int
    growth: float
    max_failures: int
    max_images: int
    backoff_s: float = 10.0
    search: float = inf
    max_fitted: int = 40
    sure: float = inf
    register: float = inf
    last: float = inf
    ended: bool = False

    def pause_s(self, failures: int) -> float:
        """Seconds to wait after so many failures in a row."""
        return min(self.backoff_s * 2.0 ** max(failures - 1, 0), _LONGEST_BACKOFF_S)

    def is_grown(self, record: ClusterRecord) -> bool:
        """A cluster has grown by enough since the last attempt."""
        sees_more = self.ended and record.attempted_size < self.max_fitted
        return record.size >= (min(self.growth, self.last) if sees_more else self.growth) * record.attempted_size

    def has_more_to_search(self, images: int, searched: int) -> bool:
        """A fit of so many images shows more than what so many were searched in."""
        seen = min(images, self.max_fitted)
        is_last = self.ended or seen == self.max_fitted
        return seen >= (min(self.search, self.last) if is_last else self.search) * searched

    def is_brief(self, images: int) -> bool:
        """A cold start from so many images is not the last search."""
        return not self.ended and min(self.search, self.last) * images <= self.max_fitted


@dataclass(frozen=True, slots=True)
class Schedule:
    """What there is to reconstruct.

    Attributes:
        jobs: clusters that are due, those first that may gain most a second; of many, these alone.
        due: how many are due.
        retry_in_s: seconds until the next of those that failed is tried again; None if none waits.
        quarantined: clusters that failed too often.
        figures: what the library comes to as of then.
        store: what its store takes by then.
    """

    jobs: list[ReconJob] = field(default_factory=list)
    due: int = 0
    retry_in_s: float | None = None
    quarantined: int = 0
    figures: Figures | None = None
    store: StoreSizes | None = None


def schedule(txn: Transaction, policy: Policy, now: float) -> Schedule:
    """Looks through all clusters.

    Args:
        txn: what to look through.
        policy: when a cluster is due.
        now: Unix time.
    """
    jobs: list[ReconJob] = []
    waits: list[float] = []
    quarantined = 0
    turns = txn.counters().reconstructions
    for (cluster,), record in txn.scan(CLUSTERS):
        if record.state != "open":
            continue
        quarantined += record.quarantined or record.held
        kind = _due(record, policy)
        if kind is None:
            continue
        wait = _wait_s(record, policy, now)
        if wait > 0:
            waits.append(wait)
        else:
            jobs.append(replace(_job(cluster, record), kind=kind, priority=priority(record, turns, kind)))
    most = nsmallest(_MOST_JOBS, jobs, key=lambda job: (-job.priority, job.cluster))
    return Schedule(most, len(jobs), min(waits, default=None), quarantined, figures(txn))


def _usable(txn: Transaction, samples: list[int]) -> list[int]:
    """Those of the images that are not in quarantine."""
    if not txn.count(QUARANTINED):
        return samples
    return [sample for sample in samples if txn.get(QUARANTINED, sample) is None]


def _due(record: ClusterRecord, policy: Policy) -> JobKind | None:
    """What there is to do for a cluster, if anything."""
    if _is_grown(record, policy):
        return "search" if _is_doubtful(record, policy) else "fit"
    if record.held or not record.version or record.failures or record.size < policy.min_views:
        return None
    return "register" if record.posed < MOST_POSED and record.size >= policy.register * record.posed else None


def _is_grown(record: ClusterRecord, policy: Policy) -> bool:
    """A first version, or the next, is due."""
    if record.held or record.size < policy.min_views:
        return False
    retry = record.failures > 0 and not record.quarantined
    return retry or policy.is_grown(record)


def _is_doubtful(record: ClusterRecord, policy: Policy) -> bool:
    """The published version is to stand against a search from nothing when it is continued."""
    if not record.version or record.certainty >= policy.sure:  # most likely right: a search would find it again
        return False
    return policy.has_more_to_search(record.size, record.searched)


def _wait_s(record: ClusterRecord, policy: Policy, now: float) -> float:
    wait = record.retry_at - now
    # Longer than any pause there is: the clock has been set back since, and must not hold the cluster up.
    return wait if record.failures and 0 < wait <= policy.pause_s(record.failures) else 0.0


def _job(cluster: int, record: ClusterRecord) -> ReconJob:
    growth = record.size / record.attempted_size if record.attempted_size else inf
    return ReconJob(cluster, record.size, record.version, growth, record.attempts, record.epoch)


def recon_input(txn: Transaction, job: ReconJob, policy: Policy) -> ReconInput:
    """Gathers the images of a cluster as it is now, spread evenly over its history where there are too many.

    The job is made anew with them: what it is fenced by has to be of the same moment as its images.

    Raises:
        NotFoundError: the cluster has lost its images since.
    """
    record = txn.get(CLUSTERS, job.cluster)
    members = _usable(txn, member_ids(txn, job.cluster))
    if record is None or not members:
        raise NotFoundError(f"cluster {job.cluster} has no images any more")
    if job.kind == "register":
        posed = posed_images(txn, job.cluster, record.version)
        newcomers = [sample for sample in members if sample not in posed]
        return _with_images(txn, job, record, newcomers[: policy.max_images])  # those that came first first
    chosen = np.unique(np.linspace(0, len(members) - 1, min(len(members), policy.max_images)).round().astype(int))
    samples = [members[i] for i in chosen]
    starts, judges = _beginnings(txn, job, record, samples, len(samples) - policy.min_views)
    return replace(
        _with_images(txn, job, record, samples),
        held_out=tuple(judges),
        starts=tuple(field for seed in starts if (field := _field(txn, seed)) is not None),
        brief=policy.is_brief(len(samples)),
    )


def _with_images(txn: Transaction, job: ReconJob, record: ClusterRecord, samples: list[int]) -> ReconInput:
    return ReconInput(
        job=replace(_job(job.cluster, record), part=job.part, kind=job.kind),
        samples=samples,
        crops=[txn.get(CROPS, sample) or b"" for sample in samples],
        masks=[txn.get(MASKS, sample) or b"" for sample in samples],
        field=_field(txn, (job.cluster, content_of(txn, job.cluster, record.version))) if record.version else None,
    )


def _beginnings(
    txn: Transaction, job: ReconJob, record: ClusterRecord, samples: list[int], most: int
) -> tuple[list[Seed], list[int]]:
    """What a reconstruction may start from, and the images that judge it: nothing of the former has seen the latter.

    There are ``most`` judges at most: enough images have to be left for a fit. There are more of them where a search
    may find another solution.
    """
    cluster = job.cluster
    starts = starts_of(txn, cluster, record)
    if not record.version:
        return starts, []
    if job.kind == "search":
        own = [seed for seed in starts if seed[0] == cluster]
        return own, held_out(samples, fitted_images(txn, cluster), most, _SEARCH_JUDGES)
    seen = set().union(*(fitted_images(txn, each) for each in {cluster, *(seed[0] for seed in starts)}))
    if judges := held_out(samples, seen, most):
        return starts, judges
    # Shapes of what was taken in have seen all that is new: they can't help without being their own judges.
    own = [seed for seed in starts if seed[0] == cluster]
    return own, held_out(samples, fitted_images(txn, cluster), most)


def _field(txn: Transaction, place: Seed) -> bytes | None:
    return txn.get(ARTIFACTS, (*place, FIELD))
