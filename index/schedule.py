"""Which clusters are due for reconstruction, and what of them it is given."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

import numpy as np

from index.jobs import FIELD, ReconInput, ReconJob
from index.library import member_ids
from index.records import ClusterRecord
from index.store import Transaction
from index.tables import ARTIFACTS, CLUSTERS, CROPS, MASKS
from ops.errors import NotFoundError


@dataclass(frozen=True, slots=True)
class Policy:
    """When a cluster is due.

    Attributes:
        min_views: images before the first attempt.
        growth: factor by which it must have grown since the last one.
        max_failures: failures in a row before it is left alone until it grows.
        max_images: most images handed to one reconstruction.
    """

    min_views: int
    growth: float
    max_failures: int
    max_images: int


def due_jobs(txn: Transaction, policy: Policy) -> list[ReconJob]:
    """Clusters due for reconstruction, those that grew most since their last attempt first."""
    jobs = [_job(key[0], record) for key, record in txn.scan(CLUSTERS) if _is_due(record, policy)]
    return sorted(jobs, key=lambda job: (-job.growth, -job.size, job.cluster))


def _is_due(record: ClusterRecord, policy: Policy) -> bool:
    if record.state != "open" or record.size < policy.min_views:
        return False
    retry = 0 < record.failures < policy.max_failures
    return retry or record.size >= policy.growth * record.attempted_size


def _job(cluster: int, record: ClusterRecord) -> ReconJob:
    growth = record.size / record.attempted_size if record.attempted_size else inf
    return ReconJob(cluster, record.size, record.version, growth)


def recon_input(txn: Transaction, job: ReconJob, policy: Policy) -> ReconInput:
    """Gathers the images of a cluster, spread evenly over its history where there are too many.

    Raises:
        NotFoundError: the cluster has lost its images since.
    """
    members = member_ids(txn, job.cluster)
    if not members:
        raise NotFoundError(f"cluster {job.cluster} has no images any more")
    chosen = np.unique(np.linspace(0, len(members) - 1, min(len(members), policy.max_images)).round().astype(int))
    samples = [members[i] for i in chosen]
    field = txn.get(ARTIFACTS, (job.cluster, job.version, FIELD)) if job.version else None
    crops = [txn.get(CROPS, sample) or b"" for sample in samples]
    masks = [txn.get(MASKS, sample) or b"" for sample in samples]
    return ReconInput(job, samples, crops, masks, field)
