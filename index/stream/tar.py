"""Samples of a webdataset tar, in order, with everything that can't be used named and counted.

A sample is a run of consecutive members with one base name (``key.jpg``, ``key.json``, ``key.txt``).
Positions count samples and refused members alike, so that a cursor stays valid whatever a shard holds.
Nothing is ever extracted, and of a member's bytes only the image and its ``json`` are looked at.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath

import msgspec

from index.stream.members import DAMAGE, EXTENSIONS, TORN, Inflated, Member
from index.stream.options import HttpOptions
from index.stream.sources import open_shard
from ops.errors import RejectError, SourceError

__all__ = ["DAMAGE", "IMAGE_SUFFIXES", "RawSample", "read_samples"]

IMAGE_SUFFIXES = frozenset({"jpg", "jpeg", "png", "webp", "gif", "bmp", "tif", "tiff"})
MAX_MEMBER_BYTES = 64 * 2**20
_MAX_JSON_BYTES = 2**20
_MAX_MEMBERS = 64
_MAX_NAME = 1024
_MAX_URL = 4096


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


class _CrawlInfo(msgspec.Struct):
    url: str = ""


@dataclass(slots=True)
class _Group:
    key: str
    suffixes: set[str] = field(default_factory=set)
    image: bytes | None = None
    url: str = ""
    reject: RejectError | None = None

    def sample(self) -> RawSample:
        reject = self.reject
        if self.image is None and reject is None:
            reject = RejectError("no_image", text(f"members: {', '.join(sorted(self.suffixes)) or 'none'}")[:_MAX_NAME])
        return RawSample(text(self.key), self.image, self.url, reject)


def text(raw: str) -> str:
    """A name as text that can be stored and shown: bytes that are no UTF-8 are spelt out."""
    return raw.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _crawl_url(raw: bytes) -> str:
    try:
        return msgspec.json.decode(raw, type=_CrawlInfo).url[:_MAX_URL]
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return ""


def read_samples(shard: str, start: int = 0, options: HttpOptions | None = None) -> Iterator[RawSample]:
    """Samples of a shard from position ``start`` on; damage ends the shard with a refused sample.

    A tar without its end-of-archive mark is damaged: what looks like its last sample may miss members.

    Raises:
        SourceError: the shard can't be opened.
    """
    with open_shard(shard, options or HttpOptions()) as stream:
        for number, sample in enumerate(_samples(Inflated(stream))):
            if number >= start:
                yield sample


def _samples(stream: Inflated) -> Iterator[RawSample]:
    group: _Group | None = None
    try:
        # `tarfile` asks the stream for nothing but `read`.
        with tarfile.open(fileobj=stream, mode="r|", tarinfo=Member, encoding="utf-8") as tar:  # type: ignore[call-overload]
            for member in tar:
                # tarfile keeps every header it has seen; over an endless shard that is a leak.
                tar.members = []
                if member.type == tarfile.XGLTYPE:
                    continue
                key, suffix = _split(member.name)
                if group is not None and (group.key != key or suffix in group.suffixes):
                    yield group.sample()
                    group = None
                if (refusal := _refusal(member)) is not None:
                    yield RawSample(text(member.name[:_MAX_NAME]), reject=refusal)
                elif member.isfile():
                    group = group or _Group(key)
                    _read_member(tar, member, suffix, group)
        if group is not None:
            yield group.sample()
            group = None
        stream.finish()
    except (RejectError, SourceError, tarfile.TarError, EOFError, OSError, ValueError) as error:
        # A group cut off with its tar may miss members, its image among them: it goes with the damage.
        yield RawSample(text(group.key) if group else "", reject=_damage(error))


def _damage(error: Exception) -> RejectError:
    if isinstance(error, RejectError):
        return error
    return RejectError("source_lost" if isinstance(error, SourceError | OSError) else TORN, str(error) or "ends early")


def _split(name: str) -> tuple[str, str]:
    folder, _, base = name.rpartition("/")
    stem, _, suffix = base.partition(".")
    return (f"{folder}/{stem}" if folder else stem), suffix.lower()


def _refusal(member: tarfile.TarInfo) -> RejectError | None:
    path = PurePosixPath(member.name)
    shown = text(member.name[:80])
    if path.is_absolute() or ".." in path.parts or "\0" in member.name or len(member.name) > _MAX_NAME:
        return RejectError("unsafe_name", f"member name {shown!r}")
    if member.type in EXTENSIONS:
        return RejectError("too_many_bytes", f"a header of {member.size} bytes, or too many in a row")
    if not (member.isfile() or member.isdir()):
        return RejectError("not_a_file", f"member {shown!r} is a link or device")
    if member.size > MAX_MEMBER_BYTES:
        return RejectError("too_many_bytes", f"member {shown!r} has {member.size} bytes")
    return None


def _read_member(tar: tarfile.TarFile, member: tarfile.TarInfo, suffix: str, group: _Group) -> None:
    group.suffixes.add(suffix)
    if len(group.suffixes) > _MAX_MEMBERS:
        group.suffixes.remove(suffix)
        group.reject = RejectError("too_many_members", f"more than {_MAX_MEMBERS} members of one key")
    elif suffix in IMAGE_SUFFIXES and group.image is None:
        group.image = _content(tar, member)
    elif suffix == "json" and member.size <= _MAX_JSON_BYTES:
        group.url = _crawl_url(_content(tar, member))


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = tar.extractfile(member)
    return file.read() if file is not None else b""
