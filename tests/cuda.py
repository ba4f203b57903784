"""Tests on a GPU, where there is one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

CUDA = "cuda"


def needs_gpu(test: Callable[..., Any]) -> Any:
    """Marks a test as `gpu`, and skips it where torch sees no CUDA device."""
    missing = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA device")
    return pytest.mark.gpu(missing(test))
