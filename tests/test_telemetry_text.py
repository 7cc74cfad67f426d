"""Text of strangers can be encoded once it has come in."""

from __future__ import annotations

import json

from jackfield.telemetry.text import escape_all_halves, escape_halves


def test_half_characters_are_written_out_and_all_else_stays() -> None:
    assert escape_halves("a\udfff ü 😀") == "a\\udfff ü 😀"


def test_they_are_found_at_any_depth_and_in_names() -> None:
    told = escape_all_halves({"\ud800": ["\ud800", {"a": ("\udcff", 1, None)}]})
    assert told == {"\\ud800": ["\\ud800", {"a": ["\\udcff", 1, None]}]}
    assert json.dumps(told, ensure_ascii=False).encode()
