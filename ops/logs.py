"""Logging: one logger tree, one line a record, for people or as JSON.

What a record is about is given as fields, ``log.info("...", extra={"cluster": 3})``; in JSON they are keys.
"""

from __future__ import annotations

import io
import json
import logging
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

Format = Literal["pretty", "json"]
LogLevel = Literal["debug", "info", "warning", "error"]
FIELDS = ("image", "shard", "cluster", "job", "version", "outcome", "reason", "seconds")
"""Keys of fields: the image's key in its shard, the cluster's id, the cluster and attempt of a job."""


@dataclass(frozen=True, slots=True)
class LogOptions:
    """The least level that is told, and whether as lines for people or as JSON."""

    level: LogLevel = "info"
    form: Format = "pretty"


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


def setup_logging(options: LogOptions) -> None:
    """Sends Shapelode's records of this process to standard error, a line each."""
    handler = logging.StreamHandler(sys.stderr)
    pretty = logging.Formatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s", "%H:%M:%S")
    handler.setFormatter(JsonLines() if options.form == "json" else pretty)
    root = logging.getLogger("shapelode")
    root.handlers[:] = [handler]
    root.setLevel(options.level.upper())
    root.propagate = False


class LogStream(io.TextIOBase):
    """A stream for those who print: each message that ends with its line becomes a record."""

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._begun = ""

    def write(self, text: str) -> int:
        """Keeps the text, and tells it as a warning once its line has ended."""
        self._begun += text
        if self._begun.endswith("\n"):
            message, self._begun = self._begun.strip(), ""
            if message:
                self._log.warning("%s", message)
        return len(text)


def get_logger(name: str) -> logging.Logger:
    """The logger of one part, such as ``ingest``."""
    return logging.getLogger(f"shapelode.{name}")
