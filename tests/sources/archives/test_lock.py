"""What a plugin is locked to is read from what its author has."""

from __future__ import annotations

import pytest

from jackfield.errors import ManifestError
from jackfield.sources.archives.lock import read_lock, read_requirements, write_lock

ONE, TWO = "1" * 64, "2" * 64


def test_a_lock_as_tools_write_it() -> None:
    text = f"""
# made by a tool
Some_Package==1.2.0 ; python_version >= "3.11" \\
    --hash=sha256:{ONE} \\
    --hash=sha256:{TWO}
    # via other
other[extra]==3 --hash=sha256:{TWO}  # why
"""
    some, other = read_lock(text, "requirements.lock")
    assert (some.name, some.version, some.hashes, some.line) == ("some-package", "1.2.0", (ONE, TWO), 3)
    assert (other.name, other.version, other.hashes) == ("other", "3", (TWO,))


def test_what_is_written_is_read_again() -> None:
    text = write_lock({"b": ("2", (TWO, ONE)), "a": ("1", (ONE,))})
    assert [(one.name, one.version, one.hashes) for one in read_lock(text, "requirements.lock")] == [
        *(("a", "1", (ONE,)), ("b", "2", (ONE, TWO)))
    ]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("flask", "requirements.txt:2: flask: is not pinned"),
        ("flask>=3", "is not pinned"),
        ("flask==3.*", "is not pinned"),
        ("flask==3,<4", "is not pinned"),
        ("flask==3", "requirements.txt:2: flask: has no SHA-256"),
        (f"flask==3 --hash=md5:{ONE}", "has no SHA-256"),
        ("flask @ https://files.example/flask.whl", "named by an address"),
        ("--index-url https://files.example/simple", "no options but --hash"),
        (f"flask==3 --hash=sha256:{ONE} --global-option=x", "no options but --hash"),
        ("-r other.txt", "no options but --hash"),
        ("-e .", "no options but --hash"),
        ("./local.whl", "requirements.txt:2: ./local.whl: "),
        ("{", "requirements.txt:2: "),
    ],
)
def test_what_is_not_locked_is_named_with_its_line(line: str, told: str) -> None:
    with pytest.raises(ManifestError) as refused:
        read_lock(f"# first\n{line}\n", "requirements.txt")
    assert told in str(refused.value)


def test_requirements_without_a_hash_are_read_too() -> None:
    flask, other = read_requirements("flask==3\nother>=1\n", "requirements.txt")
    assert (flask.version, flask.hashes, other.version) == ("3", (), "")


def test_a_lock_of_the_standard_kind() -> None:
    text = f"""
lock-version = "1.0"
[[packages]]
name = "Some.Package"
version = "1.2.0"
wheels = [{{ name = "x.whl", url = "https://files.example/x.whl", hashes = {{ sha256 = "{ONE}" }} }}]
"""
    (some,) = read_lock(text, "pylock.toml")
    assert (some.name, some.version, some.hashes) == ("some-package", "1.2.0", (ONE,))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[[packages]]\nname = 'x'\n", "is not pinned"),
        ("[[packages]]\nname = 'x'\nversion = '1'\n", "has no SHA-256"),
        ("[[packages]]\nversion = '1'\n", "is no lock file"),
        ("packages = 5", "is no lock file"),
        ("[[packages", "is no lock file"),
    ],
)
def test_a_lock_of_the_standard_kind_that_is_wrong(text: str, told: str) -> None:
    with pytest.raises(ManifestError, match=told):
        read_lock(text, "pylock.toml")
