"""One writer a state directory: advisory locks that the system releases however their holder ends."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from pathlib import Path
from types import TracebackType
from typing import IO

from ops.errors import StateBusyError, StateError

_POLL_S = 0.1


class FileLock:
    """An exclusive lock on a file that names the process holding it; a context manager."""

    def __init__(self, path: Path, *, wait_s: float = 0.0) -> None:
        """Takes the lock, making the folder if it does not exist.

        Args:
            path: the lock file.
            wait_s: how long to wait for another process to let go, such as an actor whose daemon was killed.

        Raises:
            StateBusyError: another process holds it.
            StateError: the file can't be made.
        """
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file: IO[str] = path.open("a+")
        except OSError as error:
            raise StateError(f"cannot write to the state directory {path.parent}: {error.strerror}") from error
        deadline = time.monotonic() + wait_s
        while not self._try():
            if time.monotonic() >= deadline:
                self._file.seek(0)
                holder = self._file.read().strip() or "unknown"
                self._file.close()
                raise StateBusyError(f"{path.parent} is in use by another daemon (process {holder})")
            time.sleep(_POLL_S)
        self._sign(path)

    def _try(self) -> bool:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True

    def _sign(self, path: Path) -> None:
        try:
            self._file.truncate(0)
            self._file.write(str(os.getpid()))
            self._file.flush()
        except OSError as error:
            with contextlib.suppress(OSError):  # closing writes what could not be written once more
                self._file.close()
            raise StateError(f"cannot write to the state directory {path.parent}: {error.strerror}") from error

    def release(self) -> None:
        """Lets go."""
        self._file.close()

    def __enter__(self) -> FileLock:
        """The lock is held already."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Lets go."""
        self.release()
