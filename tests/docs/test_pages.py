"""The pages as a whole: reference pages are current, all pages can be found, nothing leads to one machine."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from .blocks import PAGES, ROOT, name_of, read_blocks

NAV = re.compile(r"^ +- (?:[^:\n]+: )?(\S+\.md)$", re.MULTILINE)
LINK = re.compile(r"\]\((?!https?:)([^)#\s]*)(?:#[^)\s]*)?\)")
ADDRESS = re.compile(r"https?://([^/\s`\"'):<>]+)")
# Ours, the readers' own machines, and the APIs that upstreams are made for.
KNOWN_HOSTS = re.compile(
    r"(127\.0\.0\.1|localhost|gateway)(:\d+)?|jackfield\.dev|api\.(openai|anthropic)\.com|[\w.]*\.example"
)


def test_the_reference_is_what_the_code_says() -> None:
    command = [sys.executable, str(ROOT / "docs" / "generate.py"), "--check"]
    checked = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert checked.returncode == 0, f"run python docs/generate.py for {checked.stdout}{checked.stderr}"


def test_every_page_is_in_the_navigation() -> None:
    listed = {ROOT / "docs" / page for page in NAV.findall((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))}
    assert listed == set(PAGES) - {ROOT / "README.md"}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_to_files(page: Path) -> None:
    targets = [link for link in LINK.findall(page.read_text(encoding="utf-8")) if link]
    assert [link for link in targets if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", [page for page in PAGES if page.name != "CHANGELOG.md"], ids=name_of)
def test_addresses_are_known_ones(page: Path) -> None:
    hosts = set(ADDRESS.findall(page.read_text(encoding="utf-8")))
    assert {host for host in hosts if not KNOWN_HOSTS.fullmatch(host)} == set()


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_fence_says_what_it_holds(page: Path) -> None:
    fences = re.findall(r"^ *```", page.read_text(encoding="utf-8"), re.MULTILINE)
    blocks = list(read_blocks(page))
    assert len(fences) == 2 * len(blocks)
    assert [block.line for block in blocks if not block.language] == []
