"""The metrics port: few connections, each short, so that a stuck scraper costs nothing."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterable
from socketserver import ThreadingMixIn
from threading import BoundedSemaphore, Lock, Thread
from types import TracebackType
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer
from wsgiref.types import StartResponse, WSGIApplication

from prometheus_client import make_wsgi_app

from daemon.access import Access, access_for
from daemon.health import Health
from ops import metrics
from ops.errors import PortInUseError

_CONNECTIONS = 16
_PROBES = {"/healthz": Health.ill, "/readyz": Health.unready}
_LONGEST_S = 15.0


class MetricsServer:
    """Serves the metrics in a background thread; a context manager."""

    def __init__(
        self,
        host: str,
        port: int,
        access: Access | None = None,
        health: Health | None = None,
        *,
        connections: int = _CONNECTIONS,
        longest_s: float = _LONGEST_S,
    ) -> None:
        """Binds the address.

        Args:
            host: address to listen on.
            port: port to listen on; 0 takes a free one.
            access: who may ask, by default what a listener without a token may allow.
            health: answers on ``/healthz`` and ``/readyz``, which need no token.
            connections: open at once; one more is closed at once.
            longest_s: time a scraper has to ask and to read the answer.

        Raises:
            ConfigError: it would listen beyond loopback without a token.
            PortInUseError: the address can't be listened on.
        """
        access = access or access_for("metrics", host, None)
        kind = _Server6 if ":" in host else _Server
        try:
            self._server = kind((host, port), connections, longest_s)
            self._server.set_app(_guarded(access, health))
        except OSError as error:
            raise PortInUseError(
                f"cannot serve metrics on {host}:{port}: {error.strerror}; set metrics.port or --no-metrics"
            ) from error
        shown = f"[{host}]" if ":" in host else host
        self.url = f"http://{shown}:{self._server.server_port}/metrics"
        self._thread = Thread(target=self._server.serve_forever, name="metrics", daemon=True)

    def __enter__(self) -> MetricsServer:
        """Starts answering."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stops at once; a scraper comes again."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], connections: int, longest_s: float) -> None:
        self._slots = BoundedSemaphore(connections)
        self._longest_s = longest_s
        self._open: dict[socket.socket, float] = {}
        self._lock = Lock()
        super().__init__(address, _Quiet)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Takes a connection in, or closes it if there are too many."""
        if not self._slots.acquire(blocking=False):
            metrics.CONNECTIONS_CUT.labels("metrics", "too_many").inc()
            self.shutdown_request(request)
            return
        with self._lock:
            self._open[request] = time.monotonic()
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answers a connection in a thread of its own."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self._lock:
                self._open.pop(request, None)
            self._slots.release()

    def service_actions(self) -> None:
        """Cuts connections that have been open for too long; called twice a second."""
        edge = time.monotonic() - self._longest_s
        with self._lock:
            late = [request for request, began in self._open.items() if began < edge]
            for request in late:
                del self._open[request]
        for request in late:
            metrics.CONNECTIONS_CUT.labels("metrics", "too_slow").inc()
            _hang_up(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A scraper that went away is no concern of ours."""


def _guarded(access: Access, health: Health | None) -> WSGIApplication:
    """The metrics, for those who may read them, and for everybody whether the daemon is well."""
    app = make_wsgi_app(metrics.REGISTRY)

    def answer(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        if not access.knows_host(environ.get("HTTP_HOST", "")):
            start_response("421 Misdirected Request", [("Content-Type", "text/plain")])
            return [b"this server does not go by that name\n"]
        if health is not None and (probe := _PROBES.get(environ.get("PATH_INFO", ""))) is not None:
            problem = probe(health)
            start_response("503 Service Unavailable" if problem else "200 OK", [("Content-Type", "text/plain")])
            return [f"{problem or 'ok'}\n".encode()]
        if not access.admits(environ.get("HTTP_AUTHORIZATION", "")):
            start_response("401 Unauthorized", [("Content-Type", "text/plain"), ("WWW-Authenticate", "Bearer")])
            return [b"a token is needed: Authorization: Bearer TOKEN\n"]
        found: Iterable[bytes] = app(environ, start_response)
        return found

    return answer


class _Server6(_Server):
    address_family = socket.AF_INET6


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Scrapes are not worth a line."""


def _hang_up(request: socket.socket) -> None:
    with contextlib.suppress(OSError):  # it may have gone by itself
        request.shutdown(socket.SHUT_RDWR)
