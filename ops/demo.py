"""The demo: a procedural crawl, the daemon on it, a summary against the truth, and the library page.

Example:
    python -m ops.demo --state demo-state
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Annotated

import psutil
import typer
from rich.console import Console

from ops.errors import ShapelodeError, StateError

_PORT = 8321
_MARK = ".shapelode-demo"
_PID = "page.pid"
_START_S = 30.0

console = Console(soft_wrap=True)


def demo(
    state: Annotated[Path, typer.Option(help="Where the demo keeps everything; started afresh.")],
    shapes: Annotated[int, typer.Option(min=1, help="Different objects in the crawl.")] = 8,
    views: Annotated[int, typer.Option(min=1, help="Photos of each object.")] = 30,
    seed: Annotated[int, typer.Option(help="Draws the crawl.")] = 0,
    stop: Annotated[bool, typer.Option("--stop", help="Only stop the library page of the last demo.")] = False,
) -> None:
    """Mine shapes from a procedural crawl, end to end."""
    stop_page(state)
    if stop:
        return
    began, port = time.monotonic(), _pick_port()
    crawl, library = state / "crawl", state / "library"
    _start_afresh(state)
    _write_crawl(crawl, shapes, views, seed)
    _mine(crawl / "shards", library, port)
    _summarise(crawl / "truth", library)
    url = _serve(state, library, port)
    console.print(f"\nthe demo took {time.monotonic() - began:.0f} s")
    console.print(f"library page: [bold]{url}[/bold]  (in the background; `make demo-stop` ends it)")


def _start_afresh(state: Path) -> None:
    if state.exists() and any(state.iterdir()):
        if not (state / _MARK).exists():
            raise StateError(f"{state} holds something else than a demo; choose another --state")
        shutil.rmtree(state)
    state.mkdir(parents=True, exist_ok=True)
    (state / _MARK).touch()


def _write_crawl(crawl: Path, shapes: int, views: int, seed: int) -> None:
    from ops.synth.shards import write_shards  # slow to import, and --help should not wait

    with console.status(f"photographing {shapes} procedural objects, {views} times each"):
        write_shards(crawl, shapes=shapes, views=views, seed=seed, per_shard=60)
    console.print(f"[bold]1[/bold]  a crawl of {shapes * views} photos of {shapes} objects is written; no labels in it")


def _mine(shards: Path, library: Path, port: int) -> None:
    console.print(f"[bold]2[/bold]  the daemon mines it; watch the library grow on http://127.0.0.1:{port}")
    command = [
        "run",
        "--shards",
        str(shards),
        "--state",
        str(library),
        "--port",
        str(port),
        "--metrics-port",
        "0",
    ]
    subprocess.run(_shapelode(*command), check=True)


def _summarise(truth: Path, library: Path) -> None:
    from ops.bench import furniture

    console.print("[bold]3[/bold]  what it found, against the truth that was kept aside")
    with console.status("measuring"):
        report = furniture.run(truth, library)
    console.print(report.table())


def _serve(state: Path, library: Path, port: int) -> str:
    log, url = state / "page.log", f"http://127.0.0.1:{port}"
    with log.open("w") as output:
        process = subprocess.Popen(
            _shapelode("serve", "--state", str(library), "--port", str(port)),
            stdout=output, stderr=output, stdin=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
    (state / _PID).write_text(str(process.pid))
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/healthz", timeout=1):
                return url
        except OSError:
            time.sleep(0.2)
    raise StateError(f"the library page did not start; see {log}")


def stop_page(state: Path) -> None:
    """Ends the library page that an earlier demo left running, if there is one."""
    file = state / _PID
    if not file.exists():
        return
    try:
        page = psutil.Process(int(file.read_text()))
        if "daemon.cli" in page.cmdline():  # process numbers are used again
            page.terminate()
            page.wait(_START_S)
            console.print("stopped the library page of the last demo")
    except (psutil.NoSuchProcess, ValueError):
        pass
    file.unlink()


def _shapelode(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "daemon.cli", *arguments]


def _pick_port() -> int:
    for port in (_PORT, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise StateError("no free port on 127.0.0.1")


def main() -> int:
    """Runs the demo; errors are one line and an exit status."""
    try:
        typer.run(demo)
    except ShapelodeError as error:
        console.print(f"error: {error}", markup=False)
        return error.exit_code
    except subprocess.CalledProcessError as error:
        return error.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
