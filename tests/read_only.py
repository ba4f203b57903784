"""A machine on which nothing but some folders can be written to, as in a container whose root is read-only."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

# In mounts of its own: the folders become mounts that stay as they are, every other one becomes read-only. What the
# kernel shows of itself has no files, and shared memory is writable in a container too.
_SCRIPT = r"""
for folder in $1; do mount --bind "$folder" "$folder" || exit; done
for place in $(cut -d' ' -f2 /proc/self/mounts | sort -u); do
  case "$place" in /proc|/proc/*|/sys|/sys/*|/dev/shm|/dev/pts) continue ;; esac
  case " $1 " in *" $place "*) continue ;; esac
  mount -o remount,bind,ro "$place" || exit
done
shift
exec "$@"
"""


def read_only_but(folders: Sequence[Path]) -> list[str]:
    """What to put before a command that is to write to these folders and to shared memory alone."""
    assert not any(set(str(folder)) & set(" \\*?[") for folder in folders)
    script = ["sh", "-c", _SCRIPT, "sh", " ".join(str(folder) for folder in folders)]
    return ["unshare", "--mount", "--propagation", "private", *script]


def may_confine(folder: Path) -> bool:
    """Whether this user and machine can do so."""
    if shutil.which("unshare") is None:
        return False
    return subprocess.run([*read_only_but([folder]), "true"], capture_output=True).returncode == 0
