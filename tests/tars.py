"""Small webdataset tars for tests, well-formed and hostile."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import numpy as np
from PIL import Image


def jpeg(seed: int = 0, size: tuple[int, int] = (64, 48), mode: str = "RGB", kind: str = "JPEG") -> bytes:
    """A blurry random image, the same for the same arguments."""
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 255, (6, 8, 3), dtype=np.uint8))
    buffer = io.BytesIO()
    small.resize(size).convert(mode).save(buffer, kind)
    return buffer.getvalue()


def add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    """Adds a regular member."""
    info = tarfile.TarInfo(name)
    info.size = len(data)
    tar.addfile(info, io.BytesIO(data))


def add_sample(tar: tarfile.TarFile, key: str, image: bytes, suffix: str = "jpg") -> None:
    """Adds an image as img2dataset writes it."""
    add(tar, f"{key}.{suffix}", image)
    add(tar, f"{key}.json", json.dumps({"key": key, "url": f"http://example.org/{key}"}).encode())
    add(tar, f"{key}.txt", b"")


def write_shard(path: Path, keys: list[str], first_seed: int = 0) -> Path:
    """A well-formed shard with one random image a key."""
    with tarfile.open(path, "w") as tar:
        for offset, key in enumerate(keys):
            add_sample(tar, key, jpeg(first_seed + offset))
    return path
