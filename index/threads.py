"""Threads of FAISS's arithmetic."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import faiss


@contextmanager
def one_thread() -> Iterator[None]:
    """Keeps what this thread asks of FAISS to itself; others' requests take as many threads as before.

    OpenMP holds the number for each thread that asks (OpenMP 5.0, section 2.5, *nthreads-var*).
    """
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)
