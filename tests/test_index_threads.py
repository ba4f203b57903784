"""Threads that FAISS takes."""

from __future__ import annotations

from threading import Thread

import faiss
import pytest

from index.threads import one_thread


def test_a_search_keeps_to_one_thread_and_others_keep_theirs() -> None:
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(3)
    elsewhere: list[int] = []
    try:
        with one_thread():
            assert faiss.omp_get_max_threads() == 1
            other = Thread(target=lambda: elsewhere.append(faiss.omp_get_max_threads()))
            other.start()
            other.join()
        assert faiss.omp_get_max_threads() == 3
        assert elsewhere[0] == before, "a thread has a number of its own"
        with pytest.raises(KeyError), one_thread():
            raise KeyError
        assert faiss.omp_get_max_threads() == 3
    finally:
        faiss.omp_set_num_threads(before)
