"""Compiles what a request passes through, from the very sources, for wheels: decision 23.

As a hook of Hatchling it does so where `HATCH_BUILD_HOOK_ENABLE_CUSTOM=true`; `python hatch_build.py FOLDER` puts a
compiled copy of the package into a folder. Both need a C compiler, Cython and setuptools.
"""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig
import tempfile
import tomllib
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOT = Path(__file__).parent
PACKAGE = ROOT / "src" / "jackfield"
# Stands in a folder that this may clear.
MARK = ".compiled"
FLAGS = ["-O2", "-g0", "-w"]
# Annotations stay what they are to the interpreter: said, and not enforced.
DIRECTIVES = {"language_level": 3, "binding": True, "annotation_typing": False}


class CustomBuildHook(BuildHookInterface[Any]):
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "editable":
            return
        self._folder = Path(tempfile.mkdtemp())
        build_data["pure_python"] = False
        build_data["infer_tag"] = True
        try:
            libraries = compile_into(self._folder)
        except BaseException:
            shutil.rmtree(self._folder)
            raise
        for library in libraries:
            build_data["force_include"][str(library)] = str(library.relative_to(self._folder))

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        if version != "editable":
            shutil.rmtree(self._folder)


def find_sources() -> list[Path]:
    """Those that `tool.jackfield.compiled` names, as patterns below the package. `__init__.py` is never worth it."""
    patterns = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["jackfield"]["compiled"]
    found = {source for pattern in patterns for source in PACKAGE.glob(pattern) if source.name != "__init__.py"}
    return sorted(found)


def compile_into(folder: Path) -> list[Path]:
    """Copies the package into `folder`, and compiles there. Returns the libraries."""
    from Cython.Build import cythonize
    from setuptools import Distribution, Extension
    from setuptools.command.build_ext import build_ext

    shutil.copytree(PACKAGE, folder / PACKAGE.name, ignore=shutil.ignore_patterns("__pycache__"))
    names = [source.relative_to(PACKAGE.parent) for source in find_sources()]
    extensions = [
        Extension(".".join(name.with_suffix("").parts), [str(name)], extra_compile_args=FLAGS) for name in names
    ]
    before = Path.cwd()
    os.chdir(folder)
    # An interpreter may have been linked with a folder of whoever built it, which is nobody else's.
    os.environ.setdefault("LDSHARED", f"{sysconfig.get_config_var('CC')} -shared")
    try:
        cores = os.cpu_count() or 1
        made = cythonize(extensions, nthreads=cores, quiet=True, build_dir="c", compiler_directives=DIRECTIVES)
        command = build_ext(Distribution({"ext_modules": made}))
        command.inplace, command.parallel = True, cores
        command.ensure_finalized()
        command.run()
    finally:
        os.chdir(before)
    shutil.rmtree(folder / "c")
    shutil.rmtree(folder / "build", ignore_errors=True)
    return sorted((folder / PACKAGE.name).rglob("*.so"))


def clear(folder: Path) -> None:
    """Makes room in a folder that is empty, or was filled by this."""
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()) and not (folder / MARK).exists():
        sys.exit(f"hatch_build.py: {folder} holds something else")
    shutil.rmtree(folder)
    folder.mkdir()
    (folder / MARK).touch()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("hatch_build.py: name the folder to compile into")
    target = Path(sys.argv[1]).resolve()
    clear(target)
    sys.stdout.write(f"{len(compile_into(target))} modules compiled in {target}\n")
