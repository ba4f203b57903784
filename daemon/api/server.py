"""Serving the API and the page: beside the daemon in a thread, or by itself until a signal."""

from __future__ import annotations

import signal
import socket
from functools import partial
from pathlib import Path
from threading import Event, Thread
from types import TracebackType

import uvicorn

from daemon.access import Access, access_for
from daemon.api.app import create_app
from daemon.api.bounds import BoundedProtocol
from daemon.api.edits import Editor
from daemon.editing import write_apart
from daemon.health import Health
from daemon.query import ImageQuery
from index.library import open_library
from index.stream.options import DecodeLimits
from index.stream.sandbox import DecoderPool
from ops.errors import PortInUseError

_GRACE_S = 5  # open requests may finish for so long when the server stops
_START_S = 30.0
_DECODERS = 2  # processes that decode query images
_BUSY_CONNECTIONS = 96  # from so many on requests are answered with 503; more still are not let in


class ApiServer:
    """The API and the page of a state directory in a background thread; a context manager."""

    def __init__(
        self,
        folder: Path,
        host: str = "127.0.0.1",
        port: int = 8321,
        access: Access | None = None,
        decode: DecodeLimits | None = None,
        health: Health | None = None,
        edit: Editor | None = None,
    ) -> None:
        """Opens the library and binds the address; nothing is answered before the context is entered.

        Args:
            folder: state directory.
            host: address to listen on.
            port: port to listen on; 0 takes a free one.
            access: who may ask, by default what a listener without a token may allow.
            decode: what decoding a query image may take.
            health: of the daemon in this process, if there is one.
            edit: does what people ask for, by default as the writer, which no daemon may be then.

        Raises:
            ConfigError: it would listen beyond loopback without a token.
            StateError: the folder is no state directory.
            PortInUseError: the address can't be listened on.
        """
        access = access or access_for("api", host, None)
        self._socket = _bind(host, port)
        try:
            self._library = open_library(folder)
        except BaseException:
            self._socket.close()
            raise
        shown = f"[{host}]" if ":" in host else host
        self.url = f"http://{shown}:{self._socket.getsockname()[1]}"
        self._decoders = DecoderPool(decode or DecodeLimits(), _DECODERS)
        query = ImageQuery(self._library, self._decoders)
        self._closing = Event()
        app = create_app(self._library, query, access, health, edit or partial(write_apart, folder), self._closing)
        config = uvicorn.Config(
            app, log_config=None, access_log=False, server_header=False,
            timeout_graceful_shutdown=_GRACE_S, http=BoundedProtocol, ws="none", limit_concurrency=_BUSY_CONNECTIONS,
        )  # fmt: skip
        self._server = uvicorn.Server(config)
        self._thread = Thread(target=self._server.run, args=([self._socket],), name="api", daemon=True)

    def __enter__(self) -> ApiServer:
        """Starts answering."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Lets open requests finish, then stops."""
        self._closing.set()
        self._server.should_exit = True
        self._thread.join(_GRACE_S + _START_S)
        self._socket.close()
        self._decoders.close()
        self._library.close()


def serve_until_signal(server: ApiServer) -> None:
    """Serves until SIGINT or SIGTERM, then stops gracefully; for the main thread."""
    stop = Event()
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in numbers}
    try:
        with server:
            stop.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=512)
    except OSError as error:
        why = error.strerror or str(error)
        raise PortInUseError(f"cannot listen on {host}:{port}: {why.lower()}; choose another port") from error
