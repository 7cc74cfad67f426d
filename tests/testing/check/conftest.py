"""Looks at plugins that a test writes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

from jackfield.testing.check import Report, check, find_subjects

Look = Callable[..., Report]
Trips = Callable[..., list[tuple[int, str]]]

HEAD = """\
import asyncio
import contextlib
import io
import os
import subprocess
import time
import urllib.parse
import urllib.request
from pathlib import Path
from time import sleep as nap
from typing import Annotated, ClassVar

from pydantic import BaseModel, Field
from jackfield.sdk import Plugin, PluginConfig, Reject, hook


class Tried(Plugin):
"""
HEAD_LINES = HEAD.count("\n")


@pytest.fixture
def look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Look:
    """Checks a folder `plugins` with these files in it; the paths of findings are told from there."""

    def look_at(files: dict[str, str], *, run: bool = False) -> Report:
        folder = tmp_path / "plugins"
        for name, text in files.items():
            file = folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(dedent(text), encoding="utf-8")
        monkeypatch.chdir(folder)
        return check([find_subjects(folder)], run=run)

    return look_at


@pytest.fixture
def trips(look: Look) -> Trips:
    """Line and code of what is found in the body of a plugin class, of which line 1 is the first."""

    def find(body: str, *, before: str = "") -> list[tuple[int, str]]:
        text = HEAD + "".join(f"    {line}\n" for line in dedent(body).splitlines())
        report = look({"tried/plugin.py": text + dedent(before)})
        return [(found.line - HEAD_LINES, found.code) for found in report.findings]

    return find
