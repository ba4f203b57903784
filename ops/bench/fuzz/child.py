"""A process that runs cases one by one; whoever started it sees when it dies or hangs."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

import msgspec

from ops.bench.fuzz.cases import Request, run_case
from ops.bench.fuzz.corpus import images, tars

MEMORY_BYTES = 1536 * 2**20


def main() -> None:
    """Reads a request from standard input and answers with a line for each case."""
    request = msgspec.json.decode(sys.stdin.buffer.read(), type=Request)
    images(), tars()
    with open("/proc/self/statm") as file:
        mapped = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (mapped + MEMORY_BYTES, mapped + MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for number in request.numbers:
        case = run_case(number, request.seed, Path(request.folder))
        sys.stdout.buffer.write(msgspec.json.encode(case) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
