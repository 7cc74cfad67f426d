"""Where a key stands in a TOML text."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jackfield.settings.layers import nodes
from jackfield.settings.lines import find_lines

TEXT = '''# a comment with [brackets] and key = 1
[server]
port = 8090 # a comment

[[upstreams]]
name = "a # b"
models = [
  "x",  # first ]
  "y",
]
headers."X-A" = { env = "A", inner = [1, 2] }

[upstreams.options]
script = """
[not.a.table]
name = "no"
"""

[[upstreams]]
name = 'b"'
weight = 3

[plugins.config."my.plugin"]
"a key" = '''
TEXT = TEXT.rstrip() + " '''\nlines\n'''\nlast = 1979-05-27T07:32:00Z\n"


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("server",), 2),
        (("server", "port"), 3),
        (("upstreams",), 5),
        (("upstreams", 0), 5),
        (("upstreams", 0, "name"), 6),
        (("upstreams", 0, "models"), 7),
        (("upstreams", 0, "models", 0), 8),
        (("upstreams", 0, "models", 1), 9),
        (("upstreams", 0, "headers", "X-A"), 11),
        (("upstreams", 0, "headers", "X-A", "inner", 1), 11),
        (("upstreams", 0, "options", "script"), 14),
        (("upstreams", 1), 19),
        (("upstreams", 1, "weight"), 21),
        (("plugins", "config", "my.plugin"), 23),
        (("plugins", "config", "my.plugin", "a key"), 24),
        (("plugins", "config", "my.plugin", "last"), 27),
    ],
)
def test_each_key_has_its_line(path: tuple[str | int, ...], line: int) -> None:
    assert find_lines(TEXT)[path] == line


def test_inline_lists_of_tables_are_numbered() -> None:
    lines = find_lines('upstreams = [\n  {name = "a"},\n  {name = "b",\n   weight = 1},\n]\n')
    assert lines["upstreams", 1, "weight"] == 4


def test_strings_that_look_like_toml_are_skipped() -> None:
    lines = find_lines('a = """x\n""""\nb = "\\"]"\nc = \'\'\nd = "" \n')
    assert {path[0]: line for path, line in lines.items()} == {"a": 1, "b": 3, "c": 4, "d": 5}


_keys = st.one_of(st.from_regex(r"[A-Za-z0-9_-]{1,6}", fullmatch=True), st.text("ab. \"'\\#[]=é", max_size=5))
_texts = st.text("ab#[]{},='\"\\\n é", max_size=8)
_values = st.recursive(
    st.one_of(st.integers(), st.booleans(), _texts),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(_keys, inner, max_size=3)),
    max_leaves=6,
)


def _quote(text: str) -> str:
    escapes = {'"': '\\"', "\\": "\\\\", "\n": "\\n"}
    return '"' + "".join(escapes.get(character, character) for character in text) + '"'


def _write(value: object) -> str:
    if isinstance(value, bool | int):
        return str(value).lower()
    if isinstance(value, str):
        if "'" not in value and "\n" not in value:
            return f"'{value}'"
        return '"""\n' + _quote(value)[1:-1].replace("\\n", "\n") + '"""' if "\n" in value else _quote(value)
    if isinstance(value, list):
        return "[ # [\n" + ",\n".join(_write(item) for item in value) + "]"
    assert isinstance(value, dict)
    return "{" + ", ".join(f"{_quote(key)} = {_write(inner)}" for key, inner in value.items()) + "}"


@given(st.dictionaries(_keys, st.dictionaries(_keys, _values, max_size=3), max_size=4))
def test_every_node_of_any_document_is_found(tables: dict[str, dict[str, object]]) -> None:
    text = ""
    for name, table in tables.items():
        text += f"[{_quote(name)}] # x\n" + "".join(f"{_quote(k)} = {_write(v)}\n" for k, v in table.items())
    data = tomllib.loads(text)
    assert set(find_lines(text)) == set(nodes(data))


@given(st.text("a.[]{}=\"'\n,# 1", max_size=40))
def test_any_accepted_text_is_scanned_whole(text: str) -> None:
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        data = {}
        text = ""
    assert set(find_lines(text)) == set(nodes(data))
