"""Logging: one logger tree, one line a record, for people or as JSON.

What a record is about is given as fields, ``log.info("...", extra={"cluster": 3})``; in JSON they are keys.
"""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any, Literal

Format = Literal["pretty", "json"]
LogLevel = Literal["debug", "info", "warning", "error"]
FIELDS = ("image", "shard", "cluster", "job", "version", "outcome", "reason", "seconds")
"""Keys of fields: the image's key in its shard, the cluster's id, the cluster and attempt of a job."""


class JsonLines(logging.Formatter):
    """A record as one line of JSON: time (UTC), level, logger, message, its fields, and a traceback if there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line: dict[str, Any] = {
            "time": time,
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {name: value for name in FIELDS if (value := getattr(record, name, None)) is not None}
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


def setup_logging(level: LogLevel = "info", form: Format = "pretty") -> None:
    """Sends Shapelode's records to standard error, a line each.

    Args:
        level: the least level that is told.
        form: lines for people, or JSON.
    """
    handler = logging.StreamHandler(sys.stderr)
    pretty = logging.Formatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s", "%H:%M:%S")
    handler.setFormatter(JsonLines() if form == "json" else pretty)
    root = logging.getLogger("shapelode")
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    root.propagate = False


def get_logger(name: str) -> logging.Logger:
    """The logger of one part, such as ``ingest``."""
    return logging.getLogger(f"shapelode.{name}")
