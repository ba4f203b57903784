"""Headless Chromium, the system's, driven by Playwright: what draws the page for benchmarks and tests."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ops.errors import ConfigError

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# WebGL on the processor, and no request of the browser's own.
_ARGUMENTS = (
    "--disable-gpu", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--no-first-run", "--disable-quic",
)  # fmt: skip


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser without a window.

    Raises:
        ConfigError: Chromium or Playwright is not installed.
    """
    try:
        from playwright.sync_api import sync_playwright
    except ImportError as error:
        raise ConfigError("playwright is not installed; `make setup` does so") from error
    found = shutil.which("chromium")
    if found is None:
        raise ConfigError("Chromium is not installed; `make chromium` does so on Debian")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=found, args=_ARGUMENTS, chromium_sandbox=False)
        try:
            yield browser
        finally:
            browser.close()
