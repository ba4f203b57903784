from __future__ import annotations

import weakref

import pytest
import torch

from actors.device import releasing_memory
from ops.errors import ReconstructionError


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (MemoryError(), "out of memory: MemoryError"),
        (MemoryError("cannot allocate 3 GiB"), "cannot allocate 3 GiB"),
        (torch.OutOfMemoryError("CUDA out of memory.\nTried to allocate"), "CUDA out of memory"),
    ],
)
def test_running_out_of_memory_is_a_failure_that_says_what_helps(error: Exception, text: str) -> None:
    held: list[weakref.ref[torch.Tensor]] = []

    def fill() -> None:
        tensor = torch.zeros(10)
        held.append(weakref.ref(tensor))
        raise error

    with pytest.raises(ReconstructionError, match=text) as caught, releasing_memory():
        fill()
    assert "recon.max_views" in str(caught.value) and "\n" not in str(caught.value)
    assert held[0]() is None, "the error keeps alive what filled the memory"


def test_other_failures_and_successes_pass() -> None:
    with pytest.raises(ZeroDivisionError), releasing_memory():
        raise ZeroDivisionError
    with releasing_memory():
        pass
