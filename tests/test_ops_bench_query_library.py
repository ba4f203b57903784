from __future__ import annotations

from pathlib import Path
from threading import Event, Thread

import numpy as np
import pytest

from index.library import open_library
from ops.bench.crowd import Crowd
from ops.bench.query_library import ASKED, build, ingest

DIM = 12


@pytest.fixture
def state(tmp_path: Path) -> Path:
    build(tmp_path, 400, DIM, ("embedded", "f" * 16))
    return tmp_path


def test_images_of_a_cluster_look_alike(state: Path) -> None:
    library = open_library(state)
    status = library.status()
    assert (status.images, status.clusters, status.fingerprint) == (400, 10, "f" * 16)
    vectors = np.stack([vector for _, vector in library.vectors()])
    owners = np.array([owner.id for owner in library.owners(range(400)) if owner is not None])
    library.close()
    assert len(owners) == 400 and np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-2)
    alike = vectors @ vectors.T
    same = owners[:, None] == owners
    assert alike[same].mean() > 0.6 and abs(alike[~same].mean()) < 0.2


def test_queries_are_drawn_from_the_same_clusters_and_are_not_in_the_library(state: Path) -> None:
    library = open_library(state)
    stored = np.stack([vector for _, vector in library.vectors()])
    owners = np.array([owner.id for owner in library.owners(range(400)) if owner is not None])
    library.close()
    clusters, asked = Crowd(400, DIM).members(ASKED, 50)
    nearest = (asked @ stored.T).max(axis=1)
    assert nearest.max() < 0.9999
    middles = np.stack([stored[owners == cluster].mean(axis=0) for cluster in range(10)])
    assert np.mean((asked @ middles.T).argmax(axis=1) == clusters) > 0.8


def test_the_writer_goes_on_until_it_is_stopped(state: Path) -> None:
    begun, stop = Event(), Event()
    writer = Thread(target=ingest, args=(state, 400, DIM, begun, stop))
    writer.start()
    assert begun.wait(60)
    stop.set()
    writer.join()
    library = open_library(state)
    stored = library.status().images
    assert stored > 400 and (stored - 400) % 64 == 0
    assert len(list(library.vectors())) == stored
    library.close()
