"""A shard behind http(s) as one stream of bytes: checked addresses, timeouts, retries, resumption."""

from __future__ import annotations

import http.client
import io
import socket
import ssl
import time
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urljoin, urlsplit

from index.stream.addresses import resolve
from index.stream.options import HttpOptions
from ops.errors import ForbiddenSourceError, SourceError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_MAX_REDIRECTS = 5
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_WORTH_RETRYING = frozenset({408, 425, 429, 500, 502, 503, 504})
_STALLED_BYTES = 16 * 2**10  # fewer than so many in a timeout's time is a stall, however they trickle
_PROGRESS_BYTES = 2**20  # so many bytes after a failure and the tries count anew
_FAILURES = (OSError, http.client.HTTPException)


class RemoteShard(io.RawIOBase):
    """Bytes of a remote shard, from its first to its last, over as many connections as it takes."""

    def __init__(self, url: str, options: HttpOptions) -> None:
        """Connects.

        Raises:
            ForbiddenSourceError: the URL, or one it redirects to, is not at a public address.
            SourceError: no usable answer came in several tries.
        """
        super().__init__()
        self._url = url
        self._options = options
        self._offset = 0
        self._total: int | None = None
        self._validator = ""
        self._failures = 0
        self._failed_at = 0
        self._waited, self._received = 0.0, 0
        self._response = self._connect()

    def readable(self) -> bool:
        """A shard is only read."""
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Fills a buffer, reconnecting where the connection fails.

        Raises:
            SourceError: the connection was lost and could not be taken up again.
        """
        view = memoryview(buffer).cast("B")
        while True:
            try:
                data = self._receive(len(view))
            except _FAILURES as error:
                self._response.close()
                self._note_failure(error)
                self._response = self._connect()
                continue
            view[: len(data)] = data
            self._offset += len(data)
            return len(data)

    def close(self) -> None:
        """Ends the connection."""
        if not self.closed and hasattr(self, "_response"):
            self._response.close()
        super().close()

    def _receive(self, size: int) -> bytes:
        began = time.monotonic()
        data = self._response.read1(size)
        self._waited += time.monotonic() - began
        self._received += len(data)
        if not data and self._total is not None and self._offset < self._total:
            raise ConnectionError(f"the connection ended after {self._offset} of {self._total} bytes")
        if self._waited > self._options.timeout_s:
            if self._received < _STALLED_BYTES and data:
                raise TimeoutError(f"{self._received} bytes came in {self._waited:.1f} s")
            self._waited, self._received = 0.0, 0
        return data

    def _note_failure(self, error: Exception) -> None:
        """Counts a failure and pauses, ever longer."""
        if self._offset - self._failed_at >= _PROGRESS_BYTES:
            self._failures = 0
        self._failed_at = self._offset
        self._failures += 1
        if self._failures >= self._options.attempts:
            where = f" behind byte {self._offset}" if self._offset else ""
            raise SourceError(f"cannot read shard {self._url}{where}: {_why(error)}") from error
        time.sleep(self._options.backoff_s * 2.0 ** (self._failures - 1))
        self._waited, self._received = 0.0, 0

    def _connect(self) -> http.client.HTTPResponse:
        while True:
            try:
                response = self._request()
                if response.status not in _WORTH_RETRYING:
                    return self._accept(response)
                response.close()
                raise ConnectionError(f"the server answered {response.status}")
            except _FAILURES as error:
                self._note_failure(error)

    def _request(self) -> http.client.HTTPResponse:
        headers = {"Accept-Encoding": "identity", "User-Agent": "shapelode", "Connection": "close"}
        if self._offset:
            headers["Range"] = f"bytes={self._offset}-"
            if self._validator:
                headers["If-Range"] = self._validator
        url = self._url
        for _ in range(_MAX_REDIRECTS + 1):
            response = _get(url, headers, self._options)
            if response.status not in _REDIRECTS:
                return response
            target = response.getheader("Location", "")
            response.close()
            url = _redirected(url, target)
        raise SourceError(f"cannot read shard {self._url}: more than {_MAX_REDIRECTS} redirects")

    def _accept(self, response: http.client.HTTPResponse) -> http.client.HTTPResponse:
        """Takes an answer up where the one before broke off, or refuses it.

        Raises:
            SourceError: it is no shard, or another than before.
        """
        refusal = _refusal(response, self._offset)
        validator = _validator(response)
        if not refusal and self._offset and validator != self._validator:
            refusal = "the file changed while it was read"
        if refusal:
            response.close()
            raise SourceError(f"cannot read shard {self._url}: {refusal}")
        self._validator = validator
        length = response.length
        if response.status == 206:
            self._total = self._offset + length if length is not None else self._total
        else:
            self._total = length
            _skip(response, self._offset)
        return response


def _get(url: str, headers: dict[str, str], options: HttpOptions) -> http.client.HTTPResponse:
    """Sends one request to one of the checked addresses of a host."""
    parts = urlsplit(url)
    try:
        host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
        addresses = resolve(host, port, options.private_hosts)
    except (ValueError, UnicodeError) as error:
        raise SourceError(f"cannot read shard {url}: {error}") from error
    connection = http.client.HTTPConnection(host, port, timeout=options.timeout_s)
    with _dial(parts, host, port, addresses, options.timeout_s) as connection.sock:
        connection.request("GET", _target(parts), headers=headers)
        return connection.getresponse()  # holds the socket open until it is closed itself


def _dial(parts: SplitResult, host: str, port: int, addresses: list[str], timeout_s: float) -> socket.socket:
    failure = OSError(f"{host} has no address")
    for address in addresses:
        try:
            plain = socket.create_connection((address, port), timeout=timeout_s)
        except OSError as error:
            failure = error
            continue
        if parts.scheme != "https":
            return plain
        return ssl.create_default_context().wrap_socket(plain, server_hostname=host)
    raise failure


def _target(parts: SplitResult) -> str:
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def _redirected(url: str, target: str) -> str:
    after = urljoin(url, target)
    schemes = ("https",) if urlsplit(url).scheme == "https" else ("http", "https")
    if urlsplit(after).scheme not in schemes:
        raise ForbiddenSourceError(f"cannot read shard {url}: it redirects to {after!r}")
    return after


def _refusal(response: http.client.HTTPResponse, offset: int) -> str:
    """Why an answer can't be used, empty if it can."""
    if response.status == 206 and offset:
        began = response.getheader("Content-Range", "").removeprefix("bytes ").partition("-")[0]
        return "" if began == str(offset) else f"asked from byte {offset} on, the server sent from {began!r}"
    if response.status != 200:
        return f"the server answered {response.status} {response.reason}"
    kind = response.getheader("Content-Type", "").partition(";")[0].strip().lower()
    if kind in ("text/html", "application/xhtml+xml"):
        return f"the server answered with a page ({kind}) instead of a tar"
    return ""


def _validator(response: http.client.HTTPResponse) -> str:
    tag = response.getheader("ETag", "")
    return tag if tag and not tag.startswith("W/") else response.getheader("Last-Modified", "")


def _skip(response: http.client.HTTPResponse, count: int) -> None:
    """Passes over bytes that were read before; for servers that can't begin in the middle."""
    while count:
        data = response.read1(min(count, 2**16))
        if not data:
            raise ConnectionError("the connection ended before the place where it broke off")
        count -= len(data)


def _why(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return str(error) if error.args and "bytes" in str(error) else "it stalls"
    return str(error) or type(error).__name__
