from __future__ import annotations

import shutil

import pytest

from ops.bench.browser import chromium
from ops.errors import ConfigError


def test_a_missing_browser_is_said_in_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(ConfigError, match="make chromium"), chromium():
        pass
