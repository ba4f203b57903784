"""`shapelode doctor`: what would keep a daemon from running here, and what to do about it."""

from daemon.doctor.base import Finding, Level
from daemon.doctor.examine import examine

__all__ = ["Finding", "Level", "examine"]
