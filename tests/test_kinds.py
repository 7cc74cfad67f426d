"""Things chosen by name."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from jackfield.errors import ConfigError
from jackfield.kinds import Kind


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "a_dialect_of_this_test.py").write_text("native = object()\n")
    monkeypatch.syspath_prepend(tmp_path)
    return "a_dialect_of_this_test"


def test_a_name_leads_to_its_object_which_is_imported_when_asked_for(module: str) -> None:
    kind = Kind[object]("dialect", {"native": f"{module}:native", "absent": "no_such_module:x"})
    assert module not in sys.modules
    found = kind.named("native")
    assert found is sys.modules.pop(module).native
    assert kind.named("native") is found
    assert kind.names == ("native", "absent")


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("nativ", "there is no dialect 'nativ'; the nearest is 'native'"),
        ("zzz", "there is no dialect 'zzz'; known are native, rings"),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest(name: str, told: str) -> None:
    kind = Kind[object]("dialect", {"native": "m:a", "rings": "m:b"})
    with pytest.raises(ConfigError, match=told):
        kind.named(name)
