"""A plugin that is as it should be has no findings: those that come with Jackfield, those of the documentation, and
new ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from docs.blocks import PAGES, ROOT, name_of, read_blocks
from jackfield.testing.check import CODES, check, find_subjects
from jackfield.testing.check.registry import find_by_id
from jackfield.testing.scaffolds import KINDS, write
from jackfield.testing.scaffolds.names import builtin_ids

# A page that shows how permissions and settings are changed has a plugin that asks for more than it uses.
DELIBERATE = {"docs/how-to/plugins.md": {"permission-unused", "field-description"}}
HOW_TO = ROOT / "docs" / "how-to" / "check-a-plugin.md"


@pytest.mark.parametrize("name", sorted(builtin_ids()))
def test_what_comes_with_jackfield_is_clean(name: str) -> None:
    report = check([find_by_id(name, [])], run=True)
    assert (report.findings, report.plugins) == ([], [name])


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_plugin_is_clean_and_can_be_told_without_running_it(kind: str, tmp_path: Path) -> None:
    report = check([find_subjects(write(kind, "tried", tmp_path))], run=True)
    assert (report.findings, report.plugins, report.ran) == ([], ["tried"], [])


@pytest.mark.parametrize("page", [page for page in PAGES if page != HOW_TO], ids=name_of)
def test_the_plugins_of_the_documentation_are_clean(page: Path, tmp_path: Path) -> None:
    """Each of them, as often as the reader of the page has changed it."""
    for block in read_blocks(page):
        if not (block.title or "").startswith("plugins/"):
            continue
        file = tmp_path / str(block.title)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(block.text, encoding="utf-8")
        if (file.parent / "plugin.py").exists():
            found = {one.code for one in check([find_subjects(file.parent)], run=True).findings}
            assert found <= DELIBERATE.get(name_of(page), set())


def test_every_code_is_on_the_page_of_the_check_with_its_sentence() -> None:
    page = HOW_TO.read_text(encoding="utf-8")
    for name, code in CODES.items():
        assert f"| `{name}` | {code.level} | {code.sentence} |" in page
