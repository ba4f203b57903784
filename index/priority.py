"""Which reconstruction is worth most: what it may gain each second it takes, and more the longer it has waited."""

from __future__ import annotations

from index.jobs import JobKind
from index.records import ClusterRecord

_UNKNOWN_S = 60.0  # what a cold start takes on a core or two
_LEAST_S = 1.0
_PATIENCE = 16  # reconstructions of others after which what waits counts twice


def priority(record: ClusterRecord, reconstructions: int, kind: JobKind = "fit") -> float:
    """Expected gain a second of a reconstruction, times a factor that grows while others are served.

    The gain is counted in images times loss: those images that no attempt has seen yet, each worth the held-out loss
    that there is to lose, all of it where nothing is published. After a failure no image counts as seen, and each
    failure in a row halves the gain. The factor goes back to one with each attempt and grows without bound, so nothing
    that is due waits for ever: beside ``n`` others that never stop gaining ``b`` a second, one that gains ``a`` waits
    for ``(16 + n) b / a`` reconstructions at most, since none of the others waits for more than the rest of them. To
    register images gains a fraction of what a fit gains by them, in about the same fraction of its time.

    Args:
        record: a cluster.
        reconstructions: those ever tried in the library.
        kind: what is to be done.
    """
    unseen: float = record.size if record.failures else record.size - record.attempted_size
    if kind == "register":
        unseen = record.size - record.posed
    room = record.loss if record.version else 1.0
    gain = max(unseen, 1) * room * 0.5**record.failures
    waited = max(reconstructions - record.turn, 0)
    return gain / max(record.seconds or _UNKNOWN_S, _LEAST_S) * (1 + waited / _PATIENCE)
