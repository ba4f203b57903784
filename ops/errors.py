"""Every exception Shapelode raises on purpose, as one tree.

ShapelodeError                 base; its message is one line that says what to do
├── ConfigError                a key, flag or environment variable is wrong
├── StateError                 the state directory cannot be used
│   ├── StateBusyError         another daemon writes to it
│   ├── StorageError           its disk is full or failing; carries which
│   └── FingerprintError       it holds vectors of another backbone
├── SourceError                a shard pattern or URL cannot be read at all
│   └── ForbiddenSourceError   it leads to an address that may not be read from
├── BackboneError              weights missing, unreadable or unreachable
├── PortInUseError             a listening address is taken
├── NotFoundError              an unknown cluster, shape, version or image
├── RejectError                one image is refused; carries the reason it is counted under
├── WorkerError                a worker process died or broke; carries whether it died
└── ReconstructionError        a reconstruction broke (a verdict "no shape" is not an error)
"""

from __future__ import annotations


class ShapelodeError(Exception):
    """Base of all errors; ``str(error)`` is one line fit for a person."""

    exit_code = 1


class ConfigError(ShapelodeError):
    """A configuration key, flag or environment variable is unknown or out of range."""

    exit_code = 2


class StateError(ShapelodeError):
    """The state directory is missing, unreadable, damaged or of another schema."""


class StateBusyError(StateError):
    """Another process holds the write lock of the state directory."""


class StorageError(StateError):
    """The disk of the state directory is full or failing; what was asked for is worth trying again later.

    Attributes:
        cause: ``no_space`` or ``io_error``, used as a metric label.
    """

    def __init__(self, cause: str, message: str) -> None:
        super().__init__(message)
        self.cause = cause

    def __reduce__(self) -> tuple[type[StorageError], tuple[str, str]]:
        """Pickles by its two arguments, since it travels between processes."""
        return type(self), (self.cause, str(self))


class FingerprintError(StateError):
    """The state directory was written with another backbone."""


class SourceError(ShapelodeError):
    """A shard pattern matches nothing or a URL is not reachable.

    Attributes:
        reason: label a shard refused for it is counted under.
    """

    reason = "unreadable_shard"


class ForbiddenSourceError(SourceError):
    """A URL leads to a scheme or address that may not be read from."""

    reason = "forbidden_url"


class BackboneError(ShapelodeError):
    """Backbone weights cannot be found, read or fetched."""


class PortInUseError(ShapelodeError):
    """The address to listen on is taken."""


class NotFoundError(ShapelodeError):
    """No cluster, shape, version or image has this id."""


class RejectError(ShapelodeError):
    """One image or tar member is refused.

    Attributes:
        reason: short snake_case label, bounded in number, used as a metric label.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail

    def __reduce__(self) -> tuple[type[RejectError], tuple[str, str]]:
        """Pickles by its two arguments, since it travels between processes."""
        return type(self), (self.reason, self.detail)


class WorkerError(ShapelodeError):
    """A worker process died, or raised what it should not.

    Attributes:
        reason: label a shard refused for it is counted under.
        died: the process is gone, and what it was working on with it.
    """

    reason = "unreadable_shard"

    def __init__(self, message: str, *, died: bool) -> None:
        super().__init__(message)
        self.died = died


class ReconstructionError(ShapelodeError):
    """A reconstruction could not be carried out."""
