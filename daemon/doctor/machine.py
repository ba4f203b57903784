"""The machine and what is installed on it."""

from __future__ import annotations

import os
import resource
import shutil
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import psutil
from packaging.requirements import Requirement

from daemon.doctor.base import Finding, fine, size

_LEAST_MEMORY = 4 * 2**30
_LEAST_FILES = 4096
_SHARED = Path("/dev/shm")
_CUDA_TODO = "compare `nvidia-smi` with the CUDA version of torch, and see that the container toolkit passes the GPU on"


def python() -> Iterator[Finding]:
    """The interpreter."""
    yield fine("python", f"{sys.version.split()[0]} ({sys.executable})")


def packages() -> Iterator[Finding]:
    """Whether everything that the installed package asks for is there, in a version it takes."""
    try:
        needed = [Requirement(line) for line in metadata.requires("shapelode") or []]
    except metadata.PackageNotFoundError:
        yield Finding("packages", "warning", "Shapelode runs from source and is not installed", "`make setup`")
        return
    wanted = [one for one in needed if one.marker is None or one.marker.evaluate({"extra": ""})]
    broken = [why for one in wanted if (why := _broken(one))]
    for why in broken:
        yield Finding(
            "packages", "problem", why, "install with the constraints file: pip install -c constraints.txt .[cpu]"
        )
    if not broken:
        yield fine("packages", f"shapelode {metadata.version('shapelode')} and the {len(wanted)} packages it asks for")


def _broken(wanted: Requirement) -> str:
    try:
        found = metadata.version(wanted.name)
    except metadata.PackageNotFoundError:
        return f"{wanted.name} is not installed"
    return "" if wanted.specifier.contains(found, prereleases=True) else f"{wanted} is asked for, {found} is installed"


def faiss() -> Iterator[Finding]:
    """The vector index, which is an extra of the package."""
    try:
        import faiss
    except ImportError as error:
        yield Finding("faiss", "problem", f"it can't be imported: {error}", "pip install -c constraints.txt faiss-cpu")
    else:
        yield fine("faiss", str(faiss.__version__))


def devices(wanted: set[str], shares: float) -> Iterator[Finding]:
    """GPUs, as torch sees them; a small product on each shows that it computes.

    Args:
        wanted: devices the configuration names.
        shares: GPUs the configuration has Ray set aside.
    """
    import torch

    if not torch.cuda.is_available():
        yield from _without_gpu(wanted, shares, torch.__version__)
        return
    for number in range(torch.cuda.device_count()):
        device = torch.device("cuda", number)
        free, total = torch.cuda.mem_get_info(device)
        value = float((torch.ones(8, 8, device=device) @ torch.ones(8, 8, device=device)).sum())
        name = f"{torch.cuda.get_device_name(device)}, {size(free)} of {size(total)} free"
        if value == 512:
            yield fine("gpu", name)
        else:
            yield Finding("gpu", "problem", f"{name}: it computes wrongly", "replace it or take it out of use")
    if shares > torch.cuda.device_count():
        yield Finding(
            "gpu", "problem", f"the configuration sets {shares:g} GPUs aside, {torch.cuda.device_count()} are here",
            "lower backbone.num_gpus or recon.num_gpus, or join a cluster by ray.address",
        )  # fmt: skip


def _without_gpu(wanted: set[str], shares: float, version: str) -> Iterator[Finding]:
    named = sorted(one for one in wanted if one.startswith("cuda"))
    if named or shares:
        asked = f"device {named[0]}" if named else f"{shares:g} GPUs"
        yield Finding("gpu", "problem", f"the configuration asks for {asked}, torch {version} sees none", _CUDA_TODO)
    elif shutil.which("nvidia-smi"):
        yield Finding("gpu", "warning", f"there is a driver, but torch {version} sees no GPU", _CUDA_TODO)
    else:
        yield fine("gpu", "none: everything runs on the CPU")


def memory() -> Iterator[Finding]:
    """Memory and processors."""
    found = psutil.virtual_memory()
    what = f"{size(found.available)} of {size(found.total)} free, {os.cpu_count()} processors"
    if found.available < _LEAST_MEMORY:
        yield Finding("memory", "warning", what, "4 GiB are needed at least: lower stream.in_flight and recon.workers")
    else:
        yield fine("memory", what)


def shared_memory(needed: int) -> Iterator[Finding]:
    """Where Ray keeps batches in flight; ``needed`` in bytes."""
    free = shutil.disk_usage(_SHARED).free if _SHARED.exists() else 0
    if free < needed:
        yield Finding(
            "shared memory", "warning", f"{size(free)} free, Ray is to have {size(needed)}",
            "lower ray.object_store_mib, or give the container more (--shm-size)",
        )  # fmt: skip
    else:
        yield fine("shared memory", f"{size(free)} free")


def open_files() -> Iterator[Finding]:
    """How many files a process may have open; Ray opens many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < _LEAST_FILES:
        yield Finding("open files", "warning", f"{hard} at most", f"`ulimit -n {_LEAST_FILES}` or LimitNOFILE")
    else:
        yield fine("open files", f"{soft}")
