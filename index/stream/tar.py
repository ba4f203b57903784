"""Samples of a webdataset tar, in order, with everything that can't be used named and counted.

A sample is a run of consecutive members with one base name (``key.jpg``, ``key.json``, ``key.txt``).
Positions count samples and refused members alike, so that a cursor stays valid whatever a shard holds.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import PurePosixPath
from typing import IO

from index.stream.sources import open_shard
from ops.errors import RejectError

IMAGE_SUFFIXES = frozenset({"jpg", "jpeg", "png", "webp", "gif", "bmp", "tif", "tiff"})
_TEXT_SUFFIXES = frozenset({"json", "txt", "cls", "caption"})
MAX_MEMBER_BYTES = 64 * 2**20
_MAX_NAME = 1024


@dataclass(slots=True)
class RawSample:
    """One sample of a shard before decoding.

    Attributes:
        key: base name of its members.
        image: encoded image, None if it came without one.
        url: where the crawl found the image, out of its ``json``; empty if not said.
        reject: set when the sample is refused already.
    """

    key: str
    image: bytes | None = None
    url: str = ""
    reject: RejectError | None = None


@dataclass(slots=True)
class _Group:
    key: str
    members: dict[str, bytes] = field(default_factory=dict)
    reject: RejectError | None = None

    def sample(self) -> RawSample:
        image = next((data for suffix, data in self.members.items() if suffix in IMAGE_SUFFIXES), None)
        reject = self.reject
        if image is None and reject is None:
            reject = RejectError("no_image", f"members: {', '.join(sorted(self.members)) or 'none'}")
        return RawSample(self.key, image, _crawl_url(self.members.get("json", b"")), reject)


def _crawl_url(raw: bytes) -> str:
    try:
        url = json.loads(raw).get("url", "")
    except (ValueError, AttributeError):
        return ""
    return url if isinstance(url, str) else ""


def read_samples(shard: str, start: int = 0) -> Iterator[RawSample]:
    """Samples of a shard from position ``start`` on; damage ends the shard with a refused sample.

    Raises:
        SourceError: the shard can't be opened.
    """
    with open_shard(shard) as stream:
        yield from islice(_samples(stream), start, None)


def _samples(stream: IO[bytes]) -> Iterator[RawSample]:
    group: _Group | None = None
    try:
        with tarfile.open(fileobj=stream, mode="r|*") as tar:
            for member in tar:
                key, suffix = _split(member.name)
                if group is not None and (group.key != key or suffix in group.members):
                    yield group.sample()
                    group = None
                if (refusal := _refusal(member)) is not None:
                    yield RawSample(member.name[:_MAX_NAME], reject=refusal)
                elif member.isfile():
                    group = group or _Group(key)
                    _read_member(tar, member, suffix, group)
                # tarfile keeps every header it has seen; over an endless shard that is a leak.
                tar.members = []  # type: ignore[attr-defined]
    except (tarfile.TarError, EOFError, OSError, ValueError) as error:
        # A group cut off with its tar may miss members, its image among them: it goes with the damage.
        yield RawSample(group.key if group else "", reject=RejectError("truncated_tar", str(error) or "ends early"))
        return
    if group is not None:
        yield group.sample()


def _split(name: str) -> tuple[str, str]:
    folder, _, base = name.rpartition("/")
    stem, _, suffix = base.partition(".")
    return (f"{folder}/{stem}" if folder else stem), suffix.lower()


def _refusal(member: tarfile.TarInfo) -> RejectError | None:
    path = PurePosixPath(member.name)
    if path.is_absolute() or ".." in path.parts or "\0" in member.name or len(member.name) > _MAX_NAME:
        return RejectError("unsafe_name", f"member name {member.name[:80]!r}")
    if not (member.isfile() or member.isdir()):
        return RejectError("not_a_file", f"member {member.name!r} is a link or device")
    if member.size > MAX_MEMBER_BYTES:
        return RejectError("too_many_bytes", f"member {member.name!r} has {member.size} bytes")
    return None


def _read_member(tar: tarfile.TarFile, member: tarfile.TarInfo, suffix: str, group: _Group) -> None:
    if suffix not in IMAGE_SUFFIXES and suffix not in _TEXT_SUFFIXES:
        group.members[suffix] = b""
        return
    file = tar.extractfile(member)
    group.members[suffix] = file.read() if file is not None else b""
