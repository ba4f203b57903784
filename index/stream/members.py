"""Headers of a tar, read with bounds: `tarfile` trusts what it is given, a crawl can't be trusted."""

from __future__ import annotations

import gzip
import tarfile
import zlib
from typing import IO, Any, Protocol, cast

from ops.errors import RejectError

MAX_EXTENSION_BYTES = 256 * 2**10
"""Largest pax or GNU header; a name of 64 KB fits, a bomb does not."""
MAX_EXTENSIONS = 8
"""Extension headers before one member; `tarfile` recurses once for each."""
_MAX_RATIO = 200  # JPEGs don't shrink, and text shrinks to a tenth
_FREE_BYTES = 64 * 2**20
_SIZE_DIGITS = 12
_GZIP_MAGIC = b"\x1f\x8b"
EXTENSIONS = frozenset(
    {tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK}
)

TORN = "truncated_tar"
DAMAGE = frozenset({TORN, "not_a_tar", "source_lost", "decompression_bomb"})
"""Reasons that end a shard before its end; what follows may be read when it has been made whole."""


class Readable(Protocol):
    """What `tarfile` needs of a stream."""

    def read(self, size: int = ..., /) -> bytes:
        """Up to so many bytes, fewer at the end alone."""
        ...


class Member(tarfile.TarInfo):
    """A member whose headers are bounded, and whose damage is told from the end of the archive.

    `tarfile` ends at a bad header as it does at the end; here only zeros are an end.
    """

    @classmethod
    def fromtarfile(cls, tar: Any) -> Member:
        """Reads the next header.

        Raises:
            tarfile.EOFHeaderError: the archive ends here, as it should.
            RejectError: it ends otherwise.
        """
        try:
            return super().fromtarfile(tar)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]
            raise
        except tarfile.InvalidHeaderError as error:  # type: ignore[attr-defined]
            raise RejectError("not_a_tar" if tar.offset == 0 else TORN, str(error)) from None
        except (tarfile.EmptyHeaderError, tarfile.TruncatedHeaderError) as error:  # type: ignore[attr-defined]
            raise RejectError(TORN, f"no end of the archive: {error}") from None

    def _proc_member(self, tar: Any) -> tarfile.TarInfo:
        if self.size < 0 or self.type == tarfile.GNUTYPE_SPARSE:
            # A map of holes can be as long as the shard, and no crawler writes sparse files.
            raise RejectError(TORN, f"a member of type {self.type!r} with {self.size} bytes")
        if self.type not in EXTENSIONS:
            tar.extensions = 0
            return self._proc_builtin(tar)  # type: ignore[attr-defined, no-any-return]
        tar.extensions = getattr(tar, "extensions", 0) + 1
        if self.type == tarfile.XGLTYPE or self.size > MAX_EXTENSION_BYTES or tar.extensions > MAX_EXTENSIONS:
            return self._passed_over(tar)
        try:
            return super()._proc_member(tar)  # type: ignore[misc, no-any-return]
        except tarfile.HeaderError as error:
            raise RejectError(TORN, f"ends behind an extended header: {error}") from None

    def _passed_over(self, tar: Any) -> tarfile.TarInfo:
        """The header as a member of its own, which the caller refuses by its type."""
        tar.extensions = 0
        self.offset_data = tar.fileobj.tell()
        tar.offset = self.offset_data + self._block(self.size)  # type: ignore[attr-defined]
        return self

    def _proc_pax(self, tar: Any) -> tarfile.TarInfo:
        """Name and size out of a pax header; ``tarfile``'s own takes time quadratic in what it is given."""
        records = _pax_records(tar.fileobj.read(self._block(self.size))[: self.size])  # type: ignore[attr-defined]
        found = self.fromtarfile(tar)
        if any(key.startswith("GNU.sparse") for key in records):
            raise RejectError(TORN, "a sparse member")
        found.name = records.get("path", found.name).rstrip("/")
        if "size" in records:
            if not records["size"].isascii() or not records["size"].isdigit() or len(records["size"]) > _SIZE_DIGITS:
                raise RejectError(TORN, "a pax header with a broken size")
            found.size = int(records["size"])
            if found.isreg():
                tar.offset = found.offset_data + found._block(found.size)  # type: ignore[attr-defined]
        return found


def _pax_records(raw: bytes) -> dict[str, str]:
    """Records of a pax header, each ``LENGTH KEY=VALUE\\n`` with the length of all of it (POSIX.1-2008)."""
    records: dict[str, str] = {}
    place = 0
    while place < len(raw):
        blank = raw.find(b" ", place, place + _SIZE_DIGITS)
        digits = raw[place:blank] if blank > 0 else b""
        end = place + int(digits) if digits.isdigit() else 0
        if not blank < end <= len(raw) or raw[end - 1 : end] != b"\n":
            raise RejectError(TORN, "a broken pax header")
        key, _, value = raw[blank + 1 : end - 1].partition(b"=")
        records[key.decode("utf-8", "replace")] = value.decode("utf-8", "surrogateescape")
        place = end
    return records


class Inflated:
    """The bytes of a tar, out of its gzip where it is one; refuses to inflate without bound."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._head = stream.read(len(_GZIP_MAGIC))
        self._taken = len(self._head)
        self._given = 0
        raw = _Raw(self)
        self._source: Readable = gzip.GzipFile(fileobj=cast(Any, raw)) if self._head == _GZIP_MAGIC else raw

    def read(self, size: int = -1) -> bytes:
        """Up to so many bytes.

        Raises:
            RejectError: reasons ``truncated_tar``, ``decompression_bomb``.
        """
        try:
            data = self._source.read(size)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise RejectError(TORN, f"gzip: {error}") from error
        self._given += len(data)
        if self._given > _FREE_BYTES + _MAX_RATIO * self._taken:
            raise RejectError("decompression_bomb", f"{self._taken} bytes hold more than {self._given}")
        return data

    def finish(self) -> None:
        """Reads a gzip to its end, where its checksum stands.

        Raises:
            RejectError: reasons ``truncated_tar``, ``decompression_bomb``.
        """
        while isinstance(self._source, gzip.GzipFile) and self.read(2**16):
            pass

    def take(self, size: int) -> bytes:
        """Bytes of the stream as they are."""
        head, self._head = self._head[:size], self._head[size:]
        data = head + self._stream.read(size - len(head)) if size > len(head) else head
        self._taken += len(data) - len(head)
        return data


class _Raw:
    """The stream below, beginning with the bytes that told what it is."""

    def __init__(self, owner: Inflated) -> None:
        self._owner = owner

    def read(self, size: int = -1) -> bytes:
        return self._owner.take(size)
