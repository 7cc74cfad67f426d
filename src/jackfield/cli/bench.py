"""`jackfield bench`"""

from __future__ import annotations

import os
from pathlib import Path

import typer

import jackfield
from jackfield.errors import ConfigError


def bench(context: typer.Context) -> None:
    """Measure the gateway against bare relays. Runs from a checkout; arguments are handed on."""
    root = find_checkout(Path(jackfield.__file__))
    os.execvp("make", bench_command(root, context.args))  # noqa: S606, S607 - make is found on PATH on purpose


def find_checkout(package_file: Path) -> Path:
    """The source tree that holds the bench, which is no part of the installed package."""
    root = package_file.resolve().parents[2]
    if not (root / "bench").is_dir() or not (root / "Makefile").is_file():
        raise ConfigError(
            "the bench is not installed with the package: clone the repository and run `make bench` there"
        )
    return root


def bench_command(root: Path, arguments: list[str]) -> list[str]:
    command = ["make", "--no-print-directory", "-C", str(root), "bench"]
    return [*command, f"ARGS={' '.join(arguments)}"] if arguments else command
