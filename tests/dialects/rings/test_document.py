"""The YAML of a ring manifest: what is wrong with one entry harms no other, and nothing in it harms the gateway."""

from __future__ import annotations

from pathlib import Path

import pytest

from jackfield.dialects.rings.document import DEEPEST, RawEntry, read_entries, write_entry
from jackfield.dialects.rings.problems import EntryProblem
from jackfield.errors import ManifestError

GUIDE = """# ring plugins
plugins:
  - name: "One"
    hook: pre_flight
    config:
      deep: [1, 2]
  - name: Two
    enabled: no
"""


def read(tmp_path: Path, text: str | bytes) -> list[RawEntry] | None:
    file = tmp_path / "manifest.yaml"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_entries(file, Path("shown/manifest.yaml"))


def refusal_of(tmp_path: Path, text: str | bytes) -> str:
    with pytest.raises(ManifestError) as caught:
        read(tmp_path, text)
    return str(caught.value)


def only(tmp_path: Path, item: str) -> RawEntry:
    entries = read(tmp_path, f"plugins:\n- {item}\n")
    assert entries is not None
    return entries[0]


def test_entries_have_names_values_and_lines(tmp_path: Path) -> None:
    one, two = read(tmp_path, GUIDE) or []
    assert (one.name, one.line, two.name, two.line) == ("One", 3, "Two", 7)
    assert one.value() == {"name": "One", "hook": "pre_flight", "config": {"deep": [1, 2]}}
    assert two.value() == {"name": "Two", "enabled": False}
    assert (one.line_of(("hook",)), one.line_of(("config", "deep", 1)), one.line_of(("nothing", 1))) == (4, 6, 3)


@pytest.mark.parametrize("text", ["", "# nothing", "version: 1", "- plugins", "just text", "plugin:\n- a"])
def test_other_yaml_is_not_this_dialects(tmp_path: Path, text: str) -> None:
    assert read(tmp_path, text) is None


def test_entries_may_be_at_the_top(tmp_path: Path) -> None:
    one, two = read(tmp_path, "- name: One\n  entrypoint: a:b\n- {name: Two}\n") or []
    assert (one.name, one.line, two.index, two.name) == ("One", 1, 1, "Two")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("# mine\nname: One\nhook: ingress\nentrypoint: a:b\n", 2),
        ("version: 1\nplugin:\n- {name: One, entrypoint: 'a:b'}\n", 3),
        ("one:\n  name: One\n  entrypoint: a:b\n", 2),
    ],
)
def test_entries_in_another_place_are_not_left_out_without_a_word(tmp_path: Path, text: str, line: int) -> None:
    told = refusal_of(tmp_path, text)
    assert "put it under `plugins:`" in told
    assert f"manifest.yaml:{line}" in told


@pytest.mark.parametrize("text", ["plugins:", "plugins: []", "plugins: ~", "\ufeffplugins: []"])
def test_a_manifest_may_be_empty(tmp_path: Path, text: str) -> None:
    assert read(tmp_path, text) == []


def test_a_syntax_error_is_told_with_its_line(tmp_path: Path) -> None:
    told = refusal_of(tmp_path, "plugins:\n- name: One\n  hook: [a\n- name: Two\n")
    assert told.startswith("shown/manifest.yaml:4: is not YAML: while parsing a flow sequence")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b"plugins: \xff", "can't decode"),
        ("plugins: text", "shown/manifest.yaml:1: plugins: is a list of plugins"),
        ("plugins: {a: 1}", "is a list of plugins"),
        ("plugins: []\n---\nplugins: []", "is not YAML"),
        ("plugins: *nobody", "undefined alias"),
        ("plugins:\n- &a [*a]", "inside of what it stands for"),
        ("plugins: " + "x" * 300_000, "longer than 256 KB"),
        ("plugins: " + "[" * (DEEPEST + 1), f"nested more than {DEEPEST} deep"),
        ("plugins: " + "[" * 100_000, f"nested more than {DEEPEST} deep"),
        ("- " * 100_000, f"nested more than {DEEPEST} deep"),
    ],
)
def test_what_cannot_be_read_is_refused(tmp_path: Path, text: str | bytes, told: str) -> None:
    assert told in refusal_of(tmp_path, text)


def test_aliases_do_not_multiply(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    assert "with its aliases written out" in refusal_of(tmp_path, "\n".join([*lines, "plugins: [*a9]"]))


def test_merged_keys_do_not_multiply(tmp_path: Path) -> None:
    lines = ["a0: &a0 {k: v, l: w}"]
    lines += [f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 10)}]}}" for n in range(1, 10)]
    assert "with its aliases written out" in refusal_of(tmp_path, "\n".join([*lines, "plugins: [*a9]"]))


def test_honest_aliases_work(tmp_path: Path) -> None:
    text = "base: &base {author: us, priority: 5}\nplugins:\n- {name: One, <<: *base}\n- {<<: *base, priority: 9}\n"
    one, two = read(tmp_path, text) or []
    assert one.value() == {"name": "One", "author": "us", "priority": 5}
    assert two.value() == {"author": "us", "priority": 9}


@pytest.mark.parametrize(
    ("item", "told"),
    [
        ("!!python/object/apply:os.system [ls]", "python/object/apply:os.system"),
        ("{name: !!python/name:os.system }", "python/name:os.system"),
        ("{name: !mine x}", "!mine"),
        ("{priority: " + "9" * 5_000 + "}", "cannot be read"),
        ("{day: 2026-99-99}", "cannot be read"),
        ("{name: One, hook: a, name: Two}", "is there twice"),
    ],
)
def test_a_bad_value_is_its_entrys_own(tmp_path: Path, item: str, told: str) -> None:
    with pytest.raises(EntryProblem, match=told):
        only(tmp_path, item).value()


@pytest.mark.parametrize("item", ["text", "[a]", "{name: [a]}", "{hook: a}", "{name: ''}"])
def test_a_name_is_there_or_not(tmp_path: Path, item: str) -> None:
    assert only(tmp_path, item).name is None


def test_an_entry_written_alone_reads_the_same(tmp_path: Path) -> None:
    value = {"name": "Grüße", "config": {"day": "2026-01-01", "on": True, "long": "x " * 200, "no": None}}
    entries = read(tmp_path, write_entry(value))
    assert entries is not None
    assert [one.value() for one in entries] == [value]
