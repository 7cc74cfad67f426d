"""The same plugin makes the same archive; what would not install is not packed."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from jackfield.errors import ConfigError, ManifestError
from jackfield.sources.archives.keys import SigningKey, TrustedKeys
from jackfield.sources.archives.label import LABEL, SBOM
from jackfield.sources.archives.lock import base_of
from jackfield.sources.archives.packing import pack
from jackfield.sources.archives.parcel import open_parcel
from jackfield.sources.archives.sbom import write_sbom
from parcels import draft, files_in, key_of, pack_guest, public_key, sha256_of, trusting, wheel, write_guest

TINY = "tiny-1.0-py3-none-any.whl"


def guest_with_wheel(folder: Path, requirements: str, name: str = "requirements.txt") -> Path:
    place = write_guest(folder)
    (place / "wheels").mkdir()
    (place / "wheels" / TINY).write_bytes(wheel())
    (place / name).write_text(requirements)
    return place


def test_the_same_files_make_the_same_bytes(tmp_path: Path) -> None:
    first = pack_guest(tmp_path / "one", README_md="hello")
    other = write_guest(tmp_path / "two", README_md="hello")
    for number, file in enumerate(sorted(other.iterdir())):
        os.utime(file, (number, number))
        file.chmod(0o600)
    (other / "__pycache__").mkdir()
    (other / "__pycache__" / "plugin.cpython-311.pyc").write_bytes(b"made")
    (other / ".hidden").write_text("mine")
    assert pack(draft(other), key_of("alice"))[1] == first


def test_tests_are_packed_with_the_code(tmp_path: Path) -> None:
    place = write_guest(tmp_path)
    (place / "tests").mkdir()
    (place / "tests" / "test_guest.py").write_text("")
    assert "plugin/guest/tests/test_guest.py" in files_in(pack(draft(place), None)[1])


def test_a_lock_and_its_wheels_are_told_on_label_and_bill(tmp_path: Path) -> None:
    digest = sha256_of(wheel())
    place = guest_with_wheel(tmp_path, f"tiny==1.0 --hash=sha256:{digest}\n", "requirements.lock")
    label, data = pack(draft(place), key_of("alice"))
    assert [(one.name, one.version) for one in label.packages] == [("tiny", "1.0")]
    assert label.tags == ("py3-none-any",)
    (component,) = json.loads(files_in(data)[SBOM])["components"]
    assert component["purl"] == "pkg:pypi/tiny@1.0"
    assert component["hashes"] == [{"alg": "SHA-256", "content": digest}]
    assert f"guest/wheels/{TINY}" in open_parcel(data, "it", trusting("alice")).files


def test_a_lock_is_made_where_the_wheels_tell_it(tmp_path: Path) -> None:
    _, data = pack(draft(guest_with_wheel(tmp_path, "tiny>=1\n")), None)
    lock = files_in(data)["plugin/guest/requirements.lock"].decode()
    assert lock == f"tiny==1.0 \\\n    --hash=sha256:{sha256_of(wheel())}\n"


@pytest.mark.parametrize(
    ("requirements", "name", "told"),
    [
        ("tiny==1.0\nother==2\n", "requirements.txt", "requirements.txt:2: other==2: has no SHA-256"),
        ("tiny==2.0\n", "requirements.txt", "requirements.txt:1: tiny==2.0: has no SHA-256, and there is no .whl"),
        ("tiny==1.0\n", "requirements.lock", "requirements.lock:1: tiny: has no SHA-256"),
        (f"tiny==1.0 --hash=sha256:{'0' * 64}\n", "requirements.lock", "does not lock the wheel of tiny"),
        ("", "other.txt", "there are wheels, and no requirements.lock"),
    ],
)
def test_what_is_not_locked_is_not_packed(tmp_path: Path, requirements: str, name: str, told: str) -> None:
    with pytest.raises(ManifestError) as refused:
        pack(draft(guest_with_wheel(tmp_path, requirements, name)), None)
    assert told in str(refused.value)


def test_a_version_that_nobody_could_compare_is_not_packed(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="version: 'newest' is no version"):
        pack_guest(tmp_path, version="newest")


@pytest.mark.parametrize("name", ["evil_pth", "sitecustomize_py"])
def test_what_would_be_refused_is_not_packed(tmp_path: Path, name: str) -> None:
    with pytest.raises(ManifestError, match="Python runs"):
        pack_guest(tmp_path, **{name: ""})


def test_a_plugin_stands_in_one_folder_or_among_others() -> None:
    assert base_of(["guest/a.py", "guest/b/c.py"]) == "guest/"
    assert base_of(["manifest.yaml", "marketplace/a.py"]) == ""
    assert base_of(["a/x.py", "b/y.py"]) == ""


def test_the_bill_lists_what_npm_has_installed() -> None:
    files = {
        "plugin/js/package.json": b'{"name": "js", "version": "1"}',
        "plugin/js/node_modules/left/package.json": b'{"name": "left", "version": "2"}',
        "plugin/js/node_modules/left/inner/package.json": b'{"type": "module"}',
        "plugin/js/node_modules/@s/right/package.json": b'{"name": "@s/right", "version": "3"}',
        "plugin/js/node_modules/odd/package.json": b"{",
    }
    told = json.loads(write_sbom("js", "1", (), files))
    assert [one["purl"] for one in told["components"]] == ["pkg:npm/%40s/right@3", "pkg:npm/left@2"]
    assert (told["bomFormat"], told["specVersion"]) == ("CycloneDX", "1.6")
    assert write_sbom("js", "1", (), dict(reversed(files.items()))) == write_sbom("js", "1", (), files)


def test_a_key_is_written_once_for_its_owner_alone_and_read_again(tmp_path: Path) -> None:
    key, file = SigningKey.make(), tmp_path / "key"
    key.write(file)
    assert file.stat().st_mode & 0o777 == 0o600
    assert SigningKey.read(file).public == key.public
    with pytest.raises(ConfigError, match="File exists"):
        key.write(file)


@pytest.mark.parametrize("text", ["", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "x" * 20_000])
def test_what_is_no_key_is_refused_by_its_file(tmp_path: Path, text: str) -> None:
    file = tmp_path / "key"
    file.write_text(text)
    with pytest.raises(ConfigError, match=str(file)):
        SigningKey.read(file)


def test_a_signature_of_another_key_or_kind_does_not_count() -> None:
    made = key_of("alice").sign(b"words")
    assert TrustedKeys([public_key("alice")]).check(b"words", made, "it") == public_key("alice")
    assert TrustedKeys([public_key("bob")]).check(b"words", made, "it") is None
    assert (trusting("bob") | trusting("alice")).check(b"words", made, "it") is not None
    with pytest.raises(ManifestError, match="'alice' has not signed"):
        trusting("alice").check(b"other words", made, "it")


def test_the_label_can_be_checked_by_any_program_that_knows_ed25519(tmp_path: Path) -> None:
    """What is signed are the bytes of the label as they stand in the archive."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    files = files_in(pack_guest(tmp_path))
    signature = json.loads(files["SIGNATURE"])
    public = Ed25519PublicKey.from_public_bytes(key_of("alice").public.raw)
    import base64

    assert public.verify(base64.b64decode(signature["signature"]), files[LABEL]) is None
