"""HTTP servers on loopback that answer as badly as the web does."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

Answer = Callable[["Request"], None]


@dataclass
class Request:
    """One request, and the connection to answer on."""

    path: str
    headers: dict[str, str]
    number: int
    connection: socket.socket
    stop: threading.Event

    def send(self, data: bytes) -> None:
        self.connection.sendall(data)

    def answer(self, status: str, body: bytes = b"", **headers: str) -> None:
        lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        length = "" if "Content_Length" in headers else f"Content-Length: {len(body)}\r\n"
        self.send(f"HTTP/1.1 {status}\r\n{length}{lines}Connection: close\r\n\r\n".encode() + body)

    def reset(self) -> None:
        """Ends the connection with a reset rather than an end."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    @property
    def start(self) -> int:
        """First byte asked for."""
        return int(self.headers.get("range", "bytes=0-").removeprefix("bytes=").partition("-")[0])


@dataclass
class Hostile:
    """A running server and what it was asked."""

    url: str
    requests: list[Request] = field(default_factory=list)


@contextmanager
def hostile(answer: Answer) -> Iterator[Hostile]:
    """Serves every request with a function."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = Hostile(f"http://127.0.0.1:{listener.getsockname()[1]}")
    stop = threading.Event()
    threads: list[threading.Thread] = []

    def handle(connection: socket.socket) -> None:
        with connection:
            head = b""
            while b"\r\n\r\n" not in head and (data := connection.recv(4096)):
                head += data
            lines = head.decode("latin-1").split("\r\n")
            headers = dict(line.lower().split(": ", 1) for line in lines[1:] if ": " in line)
            request = Request(lines[0].split(" ")[1], headers, len(server.requests), connection, stop)
            server.requests.append(request)
            with contextlib.suppress(OSError):  # the client has had enough
                answer(request)

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            if stop.is_set():
                connection.close()
                return
            threads.append(threading.Thread(target=handle, args=(connection,)))
            threads[-1].start()

    main = threading.Thread(target=accept)
    main.start()
    try:
        yield server
    finally:
        stop.set()
        socket.create_connection(listener.getsockname()).close()  # wakes the accept
        main.join()
        listener.close()
        for thread in threads:
            thread.join()
