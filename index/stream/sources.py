"""From patterns a person types to the ordered list of shards, and from a shard to a byte stream."""

from __future__ import annotations

import glob
import io
from collections.abc import Sequence
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

import braceexpand

from index.stream.options import HttpOptions
from index.stream.remote import RemoteShard
from ops.errors import RejectError, SourceError

_SUFFIXES = (".tar", ".tar.gz", ".tgz")
_BUFFER = 2**18


def is_url(shard: str) -> bool:
    """True for http(s) URLs, which are read over the network."""
    return urlsplit(shard).scheme in ("http", "https")


def check_scheme(shard: str) -> None:
    """Refuses everything that is neither a path nor an http(s) URL.

    Raises:
        RejectError: reason ``forbidden_url``, for ``pipe:`` and any other scheme.
    """
    scheme, separator, _ = shard.partition(":")
    if separator and scheme.isalnum() and len(scheme) > 1 and scheme not in ("http", "https"):
        raise RejectError("forbidden_url", f"scheme {scheme!r} is not allowed, only paths, http and https")


def expand(patterns: Sequence[str], *, follow: bool = False) -> tuple[list[str], list[tuple[str, RejectError]]]:
    """Expands paths, directories, globs, braces and URLs to shards in a reproducible order.

    Args:
        patterns: as given by a person; a directory stands for the tars in it.
        follow: allow patterns that match nothing yet.

    Returns:
        shards (absolute paths and URLs, sorted within a pattern, without repeats), and refused patterns
        with the reason.

    Raises:
        SourceError: a pattern matches nothing.
    """
    shards: dict[str, None] = {}
    refused: list[tuple[str, RejectError]] = []
    for pattern in patterns:
        for item in braceexpand.braceexpand(pattern):
            try:
                check_scheme(item)
            except RejectError as error:
                refused.append((item, error))
                continue
            found = [item] if is_url(item) else _local(item)
            if not found and not follow:
                raise SourceError(f"no shard matches {item!r}; give .tar files, a directory of them, a glob or a URL")
            shards.update(dict.fromkeys(found))
    return list(shards), refused


def _local(item: str) -> list[str]:
    path = Path(item)
    if path.is_dir():
        matches = [child for child in path.iterdir() if child.name.endswith(_SUFFIXES)]
    else:
        matches = [Path(name) for name in glob.glob(item, recursive=True)]
    return sorted(str(match.resolve()) for match in matches if match.is_file())


def local_stamp(shard: str) -> tuple[int, int]:
    """Bytes and modification time in ns of a local shard; zeros for a URL or a vanished file."""
    if is_url(shard):
        return 0, 0
    try:
        found = Path(shard).stat()
    except OSError:
        return 0, 0
    return found.st_size, found.st_mtime_ns


def open_shard(shard: str, options: HttpOptions) -> IO[bytes]:
    """Opens a shard for sequential reading.

    Raises:
        SourceError: it does not exist or, over http, gave no usable answer in several tries.
        ForbiddenSourceError: it is at an address that may not be read from.
    """
    if is_url(shard):
        return io.BufferedReader(RemoteShard(shard, options), _BUFFER)
    try:
        return open(shard, "rb")
    except OSError as error:
        raise SourceError(f"cannot read shard {shard}: {error.strerror}") from error
