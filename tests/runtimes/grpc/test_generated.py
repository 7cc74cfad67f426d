"""What is made from the protocol's files is made from what they are now."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
RUNTIME = ROOT / "src" / "jackfield" / "runtimes" / "grpc"
FILES = ("jackfield/plugin/v1/plugin.proto", "jackfield/plugin/v1/handshake.proto")


@pytest.mark.parametrize("made", [RUNTIME / "generated", ROOT / "sdk" / "go" / "pluginv1"], ids=["python", "go"])
def test_it_was_made_of_what_is_there(made: Path) -> None:
    digest = hashlib.sha256(b"".join((RUNTIME / "proto" / name).read_bytes() for name in FILES)).hexdigest()
    assert (made / "source.sha256").read_text().strip() == digest, "make it anew: python sdk/generate.py"
