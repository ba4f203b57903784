"""The clusterer alone: descriptors of labelled data as a stream, beside offline clusterings of the same vectors."""

from ops.bench.cluster.run import Settings, run

__all__ = ["Settings", "run"]
