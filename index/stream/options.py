"""How shards are read: sizes, limits and what the network is allowed."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class HttpOptions:
    """How remote shards are fetched.

    Attributes:
        timeout_s: longest wait for a connection, an answer or more of it.
        attempts: tries before a shard, or the rest of it, is given up.
        backoff_s: pause before the second try; it doubles with each further one.
        private_hosts: host names, addresses or networks in private ranges that may be read from; ``*`` for all.
    """

    timeout_s: float = 30.0
    attempts: int = 4
    backoff_s: float = 0.5
    private_hosts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DecodeLimits:
    """What decoding one image may take.

    Attributes:
        timeout_s: seconds, of the clock and of the CPU.
        memory_mib: memory beyond what the decoder needs to start.
    """

    timeout_s: float = 20.0
    memory_mib: int = 1024


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """How a reader works; ``max_side`` is the longest side in pixels an image is shrunk to."""

    max_side: int = 512
    http: HttpOptions = field(default_factory=HttpOptions)
    decode: DecodeLimits = field(default_factory=DecodeLimits)
