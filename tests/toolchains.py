"""What only some tests need and not every machine has: the Go toolchain, and packages that npm fetches.

Where it is missing the test is skipped, and fails where `JACKFIELD_REQUIRE` names it (`JACKFIELD_REQUIRE=go,node`).
What is built or fetched is kept beside the user's other caches, by its contents, for all workers and later runs.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import NoReturn

import pytest

from jackfield.runtimes.node import find_node

WITHIN_S = 300.0
GO_PLACES = ("/usr/local/go/bin", "/usr/lib/go/bin")
REQUIRED = frozenset(name.strip() for name in os.environ.get("JACKFIELD_REQUIRE", "").split(",") if name.strip())
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "jackfield-tests"


def go_program() -> str:
    found = shutil.which("go") or shutil.which("go", path=os.pathsep.join(GO_PLACES))
    return found or lack("go", "there is no Go toolchain: install go, or put it on the PATH")


def run_go(folder: Path, *arguments: str) -> str:
    """What `go …` prints, in that folder. Raises `AssertionError` where it fails."""
    return _run([go_program(), *arguments], folder, dict(os.environ) | {"GOFLAGS": "-buildvcs=false"})


def unformatted_go(folder: Path) -> str:
    """The files that are not as Go wants them."""
    return _run([str(Path(go_program()).resolve().with_name("gofmt")), "-l", "."], folder, dict(os.environ))


def build_go(folder: Path, package: str = ".", beside: tuple[Path, ...] = ()) -> Path:
    """The program of a module; `beside` are modules that its `go.mod` names by their folders."""
    places = (folder, *beside)
    sources = [
        file for place in places for file in sorted(place.rglob("*")) if file.suffix in (".go", ".mod", ".sum", ".html")
    ]
    program = _kept("go", sources, lambda made: run_go(folder, "build", "-o", str(made / "program"), package))
    return program / "program"


def node_modules(manifest: Path) -> Path:
    """The `node_modules` of a `package.json`, for a link beside a copy of it."""

    def install(made: Path) -> None:
        shutil.copy(manifest, made / "package.json")
        npm = find_node().parents[1] / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        command = [str(find_node()), str(npm), "install", "--omit=dev", "--no-audit", "--no-fund", "--ignore-scripts"]
        try:
            _run(command, made, dict(os.environ))
        except AssertionError as error:
            lack("node", f"npm cannot fetch what {manifest.parent.name} needs: {str(error)[-500:]}")

    return _kept("npm", [manifest], install) / "node_modules"


def lack(name: str, why: str) -> NoReturn:
    """Says so for one that is absent."""
    if name in REQUIRED:
        pytest.fail(f"JACKFIELD_REQUIRE names {name}, but {why}", pytrace=False)
    pytest.skip(why)


@cache
def _digest(files: tuple[Path, ...]) -> str:
    told = hashlib.sha256(sys.platform.encode())
    for file in files:
        told.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return told.hexdigest()[:16]


def _kept(kind: str, files: Iterable[Path], make: Callable[[Path], object]) -> Path:
    """The folder that `make` filled, now or earlier. One process makes it, the others wait."""
    folder = CACHE / kind / _digest(tuple(files))
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            making = folder.with_suffix(".making")
            shutil.rmtree(making, ignore_errors=True)
            making.mkdir()
            make(making)
            making.rename(folder)
    return folder


def _run(command: list[str], folder: Path, environ: dict[str, str]) -> str:
    try:
        ended = subprocess.run(
            command, cwd=folder, env=environ, capture_output=True, text=True, timeout=WITHIN_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise AssertionError(f"{' '.join(command)} did not end within {WITHIN_S:g} s") from error
    assert ended.returncode == 0, f"{' '.join(command)}\n{ended.stdout}{ended.stderr}"
    return ended.stdout
