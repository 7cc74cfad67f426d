"""Every example of the documentation does what its page says.

The blocks of a page are one session, from top to bottom, in a folder with nothing in it but the repository, as
`checkout`. `bash` is run; the last line may start a gateway. `python`, `toml`, `json` and `yaml` with a title are
files; without one Python is run, TOML must be settings, and JSON and YAML must be what they say. `text` is not run:
behind a block that was, it is what that one prints, where `…` stands for anything.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
import yaml

from jackfield import settings
from jackfield.control.prices import read_prices
from jackfield.sdk.manifest import read_manifest
from jackfield.testing import Upstream

from .blocks import PAGES, ROOT, Block, name_of, read_blocks
from .commands import quick_commands
from .terminal import SERVES, Terminal, surroundings

DATA: dict[str, Callable[[str], object]] = {"json": json.loads, "yaml": yaml.safe_load}
# The pages that everybody begins with run the command as it is installed. In the others only its start is another.
AS_INSTALLED = ("README.md", "docs/index.md", "docs/tutorial.md")
EXAMPLES = [page for page in PAGES if any(block.language != "text" for block in read_blocks(page))]


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with quick_commands(tmp_path_factory.mktemp("commands"), surroundings()) as folder:
        yield folder


@pytest.fixture
async def terminal(page: Path, tmp_path: Path, commands: Path) -> AsyncIterator[Terminal]:
    (tmp_path / "checkout").symlink_to(ROOT)
    quick = None if name_of(page) in AS_INSTALLED else commands
    async with Upstream() as upstream, Upstream() as other, Terminal(tmp_path, upstream, other, quick) as terminal:
        yield terminal


@pytest.mark.parametrize("page", EXAMPLES, ids=name_of)
async def test_a_reader_who_follows_the_page_arrives(page: Path, terminal: Terminal) -> None:
    printed: str | None = None
    for block in read_blocks(page):
        try:
            printed = await follow(block, terminal, printed)
        except Exception as error:
            error.add_note(f"{name_of(page)}:{block.line}")
            raise


async def follow(block: Block, terminal: Terminal, printed: str | None) -> str | None:
    """Does what one block says; what it prints, or `None` where nothing was run."""
    if block.language == "bash":
        assert not (served := SERVES.search(block.text)) or not block.text[served.end() :].strip(), "serve comes last"
        return await terminal.run(block.text)
    if block.language == "python":
        return await follow_python(block, terminal)
    if block.language == "toml":
        check_toml(terminal.write(block.title or "untitled.toml", block.text), block.title, terminal)
        return None
    if block.language in DATA:
        assert DATA[block.language](block.text)
        if block.title:
            terminal.write(block.title, block.text)
        return None
    assert block.language == "text", f"unknown kind of block: {block.language!r}"
    if printed is not None:
        assert agrees(block.text, printed), f"the page says\n{block.text}\nbut there is\n{printed}"
    return None


async def follow_python(block: Block, terminal: Terminal) -> str | None:
    compile(block.text, block.title or "example", "exec")
    file = terminal.write(block.title or "untitled.py", block.text)
    return None if block.title else await terminal.run_python(file)


def check_toml(file: Path, title: str | None, terminal: Terminal) -> None:
    if title is not None and "/" in title:
        assert read_manifest(file).id
    elif title is not None and title.startswith("prices"):
        assert read_prices(file)
    else:
        assert settings.load(file, {}, terminal.environ | {"OPENAI_API_KEY": "sk-1", "ANTHROPIC_API_KEY": "sk-2"})


def agrees(written: str, printed: str) -> bool:
    """Whether what the page shows is in what was printed, white space aside."""
    pieces = [re.escape(" ".join(piece.split())) for piece in written.split("…")]
    return re.search(r"\s*.*?\s*".join(pieces), " ".join(printed.split())) is not None


@pytest.mark.parametrize(
    ("written", "printed", "agreed"),
    [("a …c", "a  b\nc", True), ("a c", "a b c", False), ("…b…", "a b c", True), ("x…", "a b c", False)],
)
def test_what_is_printed_is_compared(written: str, printed: str, agreed: bool) -> None:
    assert agrees(written, printed) is agreed
