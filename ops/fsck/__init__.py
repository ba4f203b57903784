"""An independent checker of a state directory.

It reads LMDB, FAISS and the library with code of its own and imports nothing of ``index``: what the store's code gets
wrong in writing and again in reading, this finds.
"""

from __future__ import annotations

from ops.fsck.check import check_state
from ops.fsck.compare import compare_states
from ops.fsck.findings import Finding, FsckReport
from ops.fsck.parted import check_library

__all__ = ["Finding", "FsckReport", "check_library", "check_state", "compare_states"]
