"""The native plugin of this folder over gRPC: `python -m jackfield.guests.grpc_main`.

What it is for is to write a plugin over gRPC in Python as any other; what runs in Python needs none of it to run in a
process of its own.
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

from jackfield.dialects.base import Blueprint
from jackfield.dialects.native import NativeDialect, load_folder
from jackfield.guests.exchanges import PLAIN
from jackfield.guests.program import Program
from jackfield.runtimes.grpc.guest import run
from jackfield.sdk.manifest import MANIFEST_FILE, read_manifest
from jackfield.sources.base import Found


def main() -> int:
    folder = Path.cwd()
    if not (folder / MANIFEST_FILE).is_file():
        print(f"there is no {MANIFEST_FILE} here", file=sys.stderr)
        return 2
    run(Program(lambda: read_here(folder), PLAIN))
    return 0


def read_here(folder: Path) -> Blueprint:
    """Raises `ManifestError`, and what its module raises."""
    found = Found(
        name=folder.name,
        source="folder",
        dialect=NativeDialect.name,
        place=str(folder),
        load=partial(load_folder, folder, folder, "jackfield_plugin_over_grpc"),
        manifest=partial(read_manifest, folder / MANIFEST_FILE),
        folder=folder,
    )
    return NativeDialect().read(found)


if __name__ == "__main__":
    sys.exit(main())
