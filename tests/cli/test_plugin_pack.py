"""`jackfield plugin pack|keys|catalogue`."""

from __future__ import annotations

import json
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from parcels import files_in, sha256_of, wheel, write_guest, zip_of

from .conftest import Run

RING = """
plugins:
  - name: shouty
    hook: pre_flight
    entrypoint: "marketplace.shouty:check"
"""
HASHED = f"tiny==1.0 --hash=sha256:{sha256_of(wheel())}\n"


def said(run: Run, *arguments: str) -> str:
    outcome = run("plugin", *arguments)
    assert (outcome.code, outcome.err) == (0, ""), outcome
    return outcome.out


def told(run: Run, *arguments: str) -> Any:
    return json.loads(said(run, *arguments, "--json"))


def refused(run: Run, *arguments: str) -> str:
    outcome = run("plugin", *arguments)
    assert (outcome.code, outcome.out, outcome.err.count("\n")) == (1, "", 1), outcome
    return outcome.err


def test_keys_are_made_once(run: Run, folder: Path) -> None:
    assert "made author: keep it to yourself" in said(run, "keys", "author")
    assert (folder / "author").stat().st_mode & 0o777 == 0o600
    public = (folder / "author.pub").read_text().strip()
    assert public.startswith("ed25519:")
    assert "is there already" in refused(run, "keys", "author")
    assert told(run, "keys", "other")["public"] != public


def test_a_folder_is_packed_and_signed(run: Run, folder: Path) -> None:
    write_guest(folder, permissions=("storage:read",))
    said(run, "keys", "author")
    out = said(run, "pack", "guest", "--key", "author")
    assert out.startswith("packed guest-1.0.jackfield: guest 1.0, 3 files, ")
    data = (folder / "guest-1.0.jackfield").read_bytes()
    assert f"SHA-256 {sha256_of(data)}\nsigned with the key " in out
    again = told(run, "pack", "guest", "--key", "author", "-o", "other.jackfield")
    assert (again["sha256"], again["permissions"]) == (sha256_of(data), ["storage:read"])
    assert (folder / "other.jackfield").read_bytes() == data


def test_without_a_key_it_says_what_that_means(run: Run, folder: Path) -> None:
    write_guest(folder)
    assert "not signed: gateways refuse it unless told not to" in said(run, "pack", "guest")


def test_what_cannot_be_packed_is_refused_by_name(run: Run, folder: Path) -> None:
    (folder / "bare").mkdir()
    (folder / "bare" / "plugin.py").write_text("")
    assert "needs a jackfield.toml" in refused(run, "pack", "bare")
    (folder / "empty").mkdir()
    assert "holds 0 plugins and not one" in refused(run, "pack", "empty")
    assert "is not a folder" in refused(run, "pack", "absent")
    write_guest(folder, requirements_txt="flask\n")
    assert "requirements.txt:1: flask: is not pinned" in refused(run, "pack", "guest")
    assert "No such file" in refused(run, "pack", "guest", "--key", "absent")
    assert not list(folder.glob("*.jackfield"))


def test_a_ring_plugin_is_packed_with_what_stands_beside_it(run: Run, folder: Path) -> None:
    plugins = folder / "plugins"
    (plugins / "marketplace").mkdir(parents=True)
    (plugins / "manifest.yaml").write_text(RING)
    (plugins / "marketplace" / "shouty.py").write_text("async def check(ctx): ...\n")
    (plugins / "requirements.lock").write_text(HASHED)
    (plugins / "wheels").mkdir()
    (plugins / "wheels" / "tiny-1.0-py3-none-any.whl").write_bytes(wheel())
    (folder / "tests").mkdir()
    (folder / "tests" / "test_shouty.py").write_text("")
    (folder / "tests" / "test_other.py").write_text("")
    made = told(run, "pack", "plugins")
    assert (made["id"], made["packages"]) == ("shouty", ["tiny 1.0"])
    assert sorted(files_in((folder / made["file"]).read_bytes())) == [
        "PACK.json", "plugin/manifest.yaml", "plugin/marketplace/shouty.py", "plugin/requirements.lock",
        "plugin/wheels/tiny-1.0-py3-none-any.whl", "sbom.cdx.json", "tests/test_shouty.py",
    ]  # fmt: skip


def test_pip_brings_the_wheels_that_a_lock_names(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From a folder of wheels in place of an index."""
    (folder / "index").mkdir()
    (folder / "index" / "tiny-1.0-py3-none-any.whl").write_bytes(wheel())
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder / "index"))
    write_guest(folder, requirements_txt="tiny\n")
    said(run, "pack", "guest", "--wheels")
    files = files_in((folder / "guest-1.0.jackfield").read_bytes())
    assert files["plugin/guest/wheels/tiny-1.0-py3-none-any.whl"] == wheel()
    assert files["plugin/guest/requirements.lock"].decode().replace(" \\\n   ", "") == HASHED


def test_what_pip_says_is_told(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    write_guest(folder, requirements_lock=HASHED)
    assert "--wheels: pip: ERROR: No matching distribution" in refused(run, "pack", "guest", "--wheels")
    (folder / "guest" / "requirements.lock").unlink()
    assert "has none of requirements.lock" in refused(run, "pack", "guest", "--wheels")


def pack(run: Run, folder: Path, version: str) -> str:
    write_guest(folder, version=version)
    return str(told(run, "pack", "guest", "--key", "author")["file"])


def test_an_index_grows_and_revokes(run: Run, folder: Path) -> None:
    said(run, "keys", "author")
    first, second = pack(run, folder, "1.0"), pack(run, folder, "1.1")
    index = ("--index", "index.json", "--key", "author")
    assert "--name makes a new one" in refused(run, "catalogue", "add", first, *index)
    made = told(run, "catalogue", "add", first, *index, "--name", "main")
    assert (made["sequence"], made["plugins"]) == (1, 1)
    assert told(run, "catalogue", "add", first, second, *index) == made | {"sequence": 2, "plugins": 2}
    assert "number 3, 2 versions, 1 revoked" in said(run, "catalogue", "revoke", "guest@1.0", "--reason", "bad", *index)
    assert "lists no guest 9" in refused(run, "catalogue", "revoke", "guest@9", "--reason", "bad", *index)
    signed = json.loads((folder / "index.json").read_text())["index"]
    assert [(one["version"], one["url"]) for one in signed["plugins"]] == [("1.0", first), ("1.1", second)]
    assert signed["revoked"][0]["reason"] == "bad"


def test_an_index_takes_only_what_lies_below_it_and_its_own_key(run: Run, folder: Path) -> None:
    said(run, "keys", "author")
    said(run, "keys", "other")
    file = pack(run, folder, "1.0")
    (folder / "shop").mkdir()
    index = ("--index", "shop/index.json", "--name", "main")
    assert "is not below" in refused(run, "catalogue", "add", file, *index, "--key", "author")
    said(run, "catalogue", "add", file, "--index", "index.json", "--name", "main", "--key", "author")
    stranger = ("--index", "index.json", "--key", "other")
    assert "'this key' has not signed" in refused(run, "catalogue", "add", file, *stranger)
    write_guest(folder, version="1.0", README_md="other")
    said(run, "pack", "guest", "--key", "author")
    again = ("--index", "index.json", "--key", "author")
    assert "is listed with other contents" in refused(run, "catalogue", "add", file, *again)


def test_what_is_no_archive_is_not_listed(run: Run, folder: Path) -> None:
    said(run, "keys", "author")
    (folder / "it.jackfield").write_text(dedent("no archive"))
    index = ("--index", "index.json", "--name", "main", "--key", "author")
    assert "is refused" in refused(run, "catalogue", "add", "it.jackfield", *index)


def test_a_key_in_the_plugins_folder_does_not_leave_it(run: Run, folder: Path) -> None:
    place = write_guest(folder)
    said(run, "keys", "guest/author")
    for more in ([], ["--key", "guest/author"]):
        assert "guest/author: is a private key" in refused(run, "pack", "guest", *more)
    (place / "author").unlink()
    said(run, "pack", "guest")


def test_what_was_packed_into_its_own_folder_is_not_packed_again(run: Run, folder: Path) -> None:
    write_guest(folder)
    made = [told(run, "pack", "guest", "-o", f"guest/{name}.jackfield")["sha256"] for name in ("first", "second")]
    assert made[0] == made[1]


def test_a_wheel_that_no_environment_takes_is_not_packed(run: Run, folder: Path) -> None:
    data = zip_of({
        "tiny-1.0.data/data/etc/x": b"", "tiny-1.0.dist-info/METADATA": b"Name: tiny\nVersion: 1.0\n"
    })  # fmt: skip
    place = write_guest(folder, requirements_lock=f"tiny==1.0 --hash=sha256:{sha256_of(data)}\n")
    (place / "wheels").mkdir()
    (place / "wheels" / "tiny-1.0-py3-none-any.whl").write_bytes(data)
    assert "outside of site-packages" in refused(run, "pack", "guest")
    assert not list(folder.glob("*.jackfield"))


def test_wheels_for_another_machine_are_packed_and_listed_here(run: Run, folder: Path) -> None:
    data = wheel()
    place = write_guest(folder, requirements_lock=HASHED)
    (place / "wheels").mkdir()
    (place / "wheels" / "tiny-1.0-cp39-cp39-win_amd64.whl").write_bytes(data)
    said(run, "keys", "author")
    file = told(run, "pack", "guest", "--key", "author")["file"]
    said(run, "catalogue", "add", file, "--index", "index.json", "--name", "main", "--key", "author")


def test_an_index_that_no_gateway_would_read_is_not_written(run: Run, folder: Path) -> None:
    said(run, "keys", "author")
    (folder / "o:d").mkdir()
    index = ("--index", "index.json", "--key", "author")
    said(run, "catalogue", "add", pack(run, folder, "1.0"), *index, "--name", "main")
    before = (folder / "index.json").read_bytes()
    assert "lists guest 1.0.0 twice" in refused(run, "catalogue", "add", pack(run, folder, "1.0.0"), *index)
    write_guest(folder, version="1.1", manifest=f'description = "{"x" * 10_001}"')
    long = told(run, "pack", "guest")["file"]
    assert "length <= 10000" in refused(run, "catalogue", "add", long, *index)
    write_guest(folder, version="1.2")
    odd = told(run, "pack", "guest", "-o", "o:d/guest.jackfield")["file"]
    assert "characters that no file name needs" in refused(run, "catalogue", "add", odd, *index)
    reason = ("--reason", "x" * 201)
    assert "length <= 200" in refused(run, "catalogue", "revoke", "guest", *reason, *index)
    assert (folder / "index.json").read_bytes() == before
