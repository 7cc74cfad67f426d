"""Pins: the SHA-256 in a manifest entry against the bytes that are executed."""

from __future__ import annotations

import hashlib
import hmac
import logging

from jackfield.dialects.rings.lint import PluginSecurityError

log = logging.getLogger("plugin_engine")


def compute_plugin_sha256(source: str) -> str:
    """Of the text as UTF-8."""
    return hashlib.sha256(source.encode()).hexdigest()


def check_pin(pin: str, code: bytes) -> None:
    """A pin may also be that of the text with its line ends normalised, as `compute_plugin_sha256` of a file read as
    text gives it. Raises `PluginSecurityError`."""
    wanted = pin.strip().lower().removeprefix("sha256:")
    actual = hashlib.sha256(code).hexdigest()
    if not any(hmac.compare_digest(wanted.encode(), found.encode()) for found in (actual, _of_text(code))):
        raise PluginSecurityError(f"SHA-256 pin mismatch (expected {wanted}, got {actual})")


def _of_text(code: bytes) -> str:
    return hashlib.sha256(code.replace(b"\r\n", b"\n").replace(b"\r", b"\n")).hexdigest()


class Unpinned:
    """Warns once for each version of a plugin that has no pin."""

    def __init__(self) -> None:
        self._told: dict[str, str] = {}

    def warn(self, plugin: str, code: bytes) -> None:
        actual = hashlib.sha256(code).hexdigest()
        if self._told.get(plugin) != actual:
            self._told[plugin] = actual
            log.warning("Plugin '%s' has no SHA-256 pin; to pin what runs now: sha256: %s", plugin, actual)
