"""Where the examples are."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
NAMES = sorted(entry.name for entry in EXAMPLES.iterdir() if entry.is_dir() and not entry.name.startswith((".", "_")))
PAGE = ROOT / "docs" / "how-to" / "example-plugins.md"
