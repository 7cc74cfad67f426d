"""What may stand in a lock, and how it is told what may not."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from jackfield.errors import ConfigError
from jackfield.runtimes.isolated.locks import LONGEST, MOST_PINS, Lock, read_lock
from jackfield.runtimes.isolated.needs import ROOTS, check_needs

A, B = "a" * 64, "b" * 64
HASH = f"--hash=sha256:{A}"


def read(folder: Path, text: str, name: str = "requirements.lock") -> Lock:
    (folder / name).write_text(text)
    lock = read_lock(folder)
    assert lock is not None
    return lock


def test_each_line_is_a_package_with_its_digests(tmp_path: Path) -> None:
    lock = read(
        tmp_path,
        f"# by pip-compile\nRequests[socks]==2.31.0 ; python_version >= '3.8' \\\n    {HASH} \\\n"
        f"    --hash=sha256:{B}\n"
        f"    # via something\n\nurl.lib==1.0.0 {HASH} # why not\nonly.windows==1 ; sys_platform == 'win32' {HASH}\n",
    )
    assert [(str(pin), pin.line, pin.digests) for pin in lock.pins] == [
        ("requests==2.31.0", 2, (A, B)),
        ("url-lib==1.0.0", 7, (A,)),
    ]


def test_a_version_is_the_same_however_it_is_written(tmp_path: Path) -> None:
    assert str(read(tmp_path, f"a==1.0-rc.1 {HASH}").pins[0]) == "a==1.0rc1"


PYLOCK = f"""
lock-version = "1.0"
created-by = "somebody"
[[packages]]
name = "attrs"
version = "25.1.0"
wheels = [{{name = "attrs-25.1.0-py3-none-any.whl", url = "https://evil.example/a.whl", hashes = {{sha256 = "{A}"}}}}]
[[packages]]
name = "elsewhere"
version = "1"
marker = "sys_platform == 'win32'"
wheels = [{{url = "x", hashes = {{sha256 = "{B}"}}}}]
"""


def test_a_pylock_says_the_same(tmp_path: Path) -> None:
    lock = read(tmp_path, PYLOCK, "pylock.toml")
    assert [(str(pin), pin.line, pin.digests) for pin in lock.pins] == [("attrs==25.1.0", 4, (A,))]


def test_the_lock_counts_and_not_what_it_was_made_from(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("attrs\n")
    (tmp_path / "pylock.toml").write_text("nonsense")
    assert read(tmp_path, f"a==1 {HASH}").file.name == "requirements.lock"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("attrs", "attrs: is not pinned to one version by ==; pip-compile --generate-hashes"),
        (f"attrs>=1 {HASH}", "is not pinned"),
        (f"attrs==1.* {HASH}", "is not pinned"),
        (f"attrs==1,==2 {HASH}", "is not pinned"),
        (f"attrs===1 {HASH}", "is not pinned"),
        ("attrs==1", "needs --hash=sha256:"),
        ("attrs==1 --hash=md5:abc", "needs --hash=sha256:"),
        (f"attrs==1 --hash=sha256:{A[1:]}", "needs --hash=sha256:"),
        (f"attrs==1 {HASH} --global-option=x", "and no other option"),
        (f"attrs @ https://evil.example/a.whl {HASH}", "names an address"),
        ("--index-url https://evil.example", "--index-url https://evil.example: is an option"),
        ("-r /etc/passwd", "is an option"),
        ("-e .", "is an option"),
        ("./here.whl", "is no requirement"),
        ("root:x:0:0:root:/root:/bin/bash", "is no requirement"),
        (f"a==1 ; nonsense == '1' {HASH}", "is no requirement"),
        (f"a==1 ; {'(' * 400}{HASH}", "is no requirement"),
        (f"a==1 ; python_version >= '{'9' * 600}' {HASH}", "is longer than 500 characters"),
    ],
)
def test_what_is_not_locked_is_refused_at_its_line(tmp_path: Path, line: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, f"fine==1 {HASH}\n{line}\n")
    assert words in str(caught.value)
    assert str(caught.value).startswith(f"{tmp_path}/requirements.lock:2: ")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"1.0"', '"2.0"', "lock-version: is '2.0', and 1.0 is understood"),
        ("[[packages]]", "[[packages", "is no TOML"),
        ("lock-version", "x" * 9 + " = [" + "[" * 5000 + "#", "is no TOML"),
        ('version = "25.1.0"', "", "packages.attrs: needs a name and a version"),
        ("25.1.0", "not a version", "pylock.toml:4: packages.attrs: 'not a version' is no version"),
        ("wheels =", "sdist =", "has no wheel, and whatever else it has would run code"),
        ("sha256", "md5", "has a wheel without a sha256"),
        ("sys_platform", "nonsense", "has a condition that cannot be judged"),
    ],
)
def test_a_pylock_that_locks_nothing_is_refused(tmp_path: Path, old: str, new: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, PYLOCK.replace(old, new), "pylock.toml")
    assert words in str(caught.value)


def test_the_same_package_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"lock:2: a==2: a==1 is pinned already, at line 1"):
        read(tmp_path, f"a==1 {HASH}\nA==2 {HASH}\n")


def test_there_are_bounds(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"more than {MOST_PINS} packages"):
        read(tmp_path, "".join(f"a{number}==1 {HASH}\n" for number in range(MOST_PINS + 1)))
    with pytest.raises(ConfigError, match="is no file of at most 1024 KB"):
        read(tmp_path, "#" * (LONGEST + 1))


def test_what_is_no_file_is_not_read(tmp_path: Path) -> None:
    """An error would show what the gateway may read to whoever installs a plugin; a pipe would be read for ever."""
    lock = tmp_path / "requirements.lock"
    lock.symlink_to("/etc/passwd")
    with pytest.raises(ConfigError, match="cannot be read") as caught:
        read_lock(tmp_path)
    assert "/bin/" not in str(caught.value)
    lock.unlink()
    os.mkfifo(lock)
    with pytest.raises(ConfigError, match="is no file"):
        read_lock(tmp_path)
    lock.unlink()
    lock.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="is not UTF-8"):
        read_lock(tmp_path)


def test_versions_that_our_own_code_cannot_run_with_are_refused_by_both(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        check_needs(read(tmp_path, f"a==1 {HASH}\npydantic==1.10.2 {HASH}\n"))
    assert (
        "requirements.lock:2: pydantic==1.10.2: pydantic 1.10.2 is pinned here, and jackfield needs pydantic >=2"
        in str(caught.value)
    )


def test_so_are_those_that_what_we_need_cannot_run_with(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"pydantic-core 1\.0 is pinned here, and pydantic needs pydantic-core =="):
        check_needs(read(tmp_path, f"pydantic-core==1.0 {HASH}\n"))
    with pytest.raises(ConfigError, match=r"typing-extensions 3\.7 is pinned here"):
        check_needs(read(tmp_path, f"typing_extensions==3.7 {HASH}\n"))


def test_others_are_the_plugins_own_affair(tmp_path: Path) -> None:
    """Also of packages that only the gateway itself uses, and where the whole of what needs another is pinned."""
    check_needs(read(tmp_path, f"aiohttp==1.0 {HASH}\nsqlalchemy==1.0 {HASH}\nmsgspec==99.0 {HASH}\n"))
    check_needs(read(tmp_path, f"pydantic==2.99 {HASH}\npydantic-core==2.99 {HASH}\n"))


def test_the_packages_that_our_own_code_there_imports_are_looked_at() -> None:
    code = (
        "import sys, jackfield.sdk, jackfield.rpc.calls, jackfield.guests.protocol;"
        "print(*{name.partition('.')[0] for name in sys.modules})"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    wanted = {Requirement(text).name for text in requires("jackfield") or () if "extra ==" not in text}
    assert set(ran.stdout.split()) & wanted <= ROOTS
