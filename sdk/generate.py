"""Makes the generated code of `jackfield.plugin.v1` anew: for Python in `runtimes/grpc/generated`, for Go in
`sdk/go/pluginv1`.

    python sdk/generate.py            both; Go where there is a toolchain
    python sdk/generate.py --check    writes nothing; fails where what is committed is not what would be made

Needs the extra `lint` (grpcio-tools), and for Go a toolchain: the two generators are built at the versions below.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from importlib import resources
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PROTO = ROOT / "src" / "jackfield" / "runtimes" / "grpc" / "proto"
PYTHON = ROOT / "src" / "jackfield" / "runtimes" / "grpc" / "generated"
GO = ROOT / "sdk" / "go" / "pluginv1"
GO_GENERATORS = (
    "google.golang.org/protobuf/cmd/protoc-gen-go@v1.36.11",
    "google.golang.org/grpc/cmd/protoc-gen-go-grpc@v1.6.0",
)
HEAD = "# ruff: noqa\n# fmt: off\n# mypy: ignore-errors\n"
PLUGIN, HANDSHAKE = "jackfield/plugin/v1/plugin.proto", "jackfield/plugin/v1/handshake.proto"
# What both sides of it are made from, so that it can be seen without the generators whether they are current.
MARK = "source.sha256"


def find_go() -> str | None:
    return shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")


def run_protoc(*arguments: str, path: str | None = None) -> None:
    """Raises `CalledProcessError` with what the compiler said."""
    include = str(resources.files("grpc_tools") / "_proto")
    environ = {**os.environ, "PATH": os.pathsep.join(filter(None, (path, os.environ.get("PATH"))))}
    command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{PROTO}", f"-I{include}", *arguments]
    subprocess.run(command, check=True, env=environ, cwd=PROTO)  # noqa: S603 - the compiler


def digest_sources() -> str:
    return hashlib.sha256(b"".join((PROTO / name).read_bytes() for name in (PLUGIN, HANDSHAKE))).hexdigest() + "\n"


def make_python(target: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        run_protoc(f"--python_out={folder}", f"--pyi_out={folder}", PLUGIN, HANDSHAKE)
        for file in Path(folder).rglob("*_pb2.py*"):
            (target / file.name).write_text(HEAD + file.read_text(encoding="utf-8"), encoding="utf-8")
    (target / MARK).write_text(digest_sources(), encoding="ascii")


def make_go(target: Path, go: str) -> None:
    with tempfile.TemporaryDirectory() as programs:
        for generator in GO_GENERATORS:
            environ = {**os.environ, "GOBIN": programs}
            subprocess.run([go, "install", generator], check=True, env=environ)  # noqa: S603 - the toolchain
        option = "module=github.com/jackfield/jackfield/sdk/go/pluginv1"
        outs = (f"--go_out={target}", f"--go_opt={option}", f"--go-grpc_out={target}", f"--go-grpc_opt={option}")
        run_protoc(*outs, PLUGIN, path=programs)
    (target / MARK).write_text(digest_sources(), encoding="ascii")


def differences(made: Path, kept: Path, patterns: tuple[str, ...]) -> list[str]:
    names = {file.name for folder in (made, kept) for pattern in patterns for file in folder.glob(pattern)}
    return sorted(name for name in names if _read(made / name) != _read(kept / name))


def _read(file: Path) -> bytes | None:
    return file.read_bytes() if file.exists() else None


def main() -> int:
    check = "--check" in sys.argv[1:]
    go = find_go()
    stale = []
    with tempfile.TemporaryDirectory() as folder:
        for name, kept, patterns in (("python", PYTHON, ("*_pb2.py*", MARK)), ("go", GO, ("*.pb.go", MARK))):
            made = Path(folder, name)
            made.mkdir()
            if name == "python":
                make_python(made)
            elif go is None:
                print("go: left out, there is no toolchain")
                continue
            else:
                make_go(made, go)
            stale += [str(kept.relative_to(ROOT) / file) for file in differences(made, kept, patterns)]
            if not check:
                shutil.copytree(made, kept, dirs_exist_ok=True)
    for file in stale:
        print(f"{file}: {'is not what would be made' if check else 'made'}")
    return int(check and bool(stale))


if __name__ == "__main__":
    sys.exit(main())
