"""An archive is opened whole or not at all, and what is wrong with it is said."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jackfield.errors import ManifestError
from jackfield.sources.archives import zipped
from jackfield.sources.archives.label import LABEL, PLUGIN, SBOM, SIGNATURE, TESTS, sha256_of
from jackfield.sources.archives.parcel import Parcel, open_parcel
from parcels import files_in, key_of, pack_guest, sealed_again, trusting, wheel

Files = dict[str, bytes]
GUEST = f"{PLUGIN}guest/"
GUEST_TOML = f"{GUEST}jackfield.toml"


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return pack_guest(tmp_path_factory.mktemp("source"), permissions=("storage:read",), README_md="# Guest\n")


def opened(data: bytes, *, signed: bool = True) -> Parcel:
    return open_parcel(data, "guest.jackfield", trusting("alice"), signed=signed)


def refuse(data: bytes, match: str, *, signed: bool = True) -> None:
    with pytest.raises(ManifestError, match=match):
        opened(data, signed=signed)


def test_what_is_in_order_is_opened(packed: bytes) -> None:
    parcel = opened(packed)
    assert sorted(parcel.files) == ["guest/README.md", "guest/jackfield.toml", "guest/plugin.py"]
    assert (parcel.label.id, parcel.label.version, parcel.label.permissions) == ("guest", "1.0", ("storage:read",))
    assert parcel.sha256 == sha256_of(packed)
    assert parcel.signer is not None
    assert (parcel.signer.name, parcel.key) == ("alice", key_of("alice").public.fingerprint)


def test_nobody_unknown_is_taken_for_somebody_trusted(packed: bytes, tmp_path: Path) -> None:
    refuse(pack_guest(tmp_path, signed_by=None), "nobody has signed it")
    strange = pack_guest(tmp_path, signed_by="mallory")
    refuse(strange, f"the key {key_of('mallory').public.fingerprint}, which is not among install.trusted_keys")
    named = json.loads(files_in(packed)[SIGNATURE]) | {
        "signature": json.loads(files_in(strange)[SIGNATURE])["signature"]
    }
    refuse(zipped.encode(files_in(strange) | {SIGNATURE: json.dumps(named).encode()}), "'alice' has not signed")


def test_without_the_demand_for_a_signature_a_wrong_one_is_refused_all_the_same(packed: bytes, tmp_path: Path) -> None:
    assert opened(pack_guest(tmp_path, signed_by=None), signed=False).signer is None
    stranger = opened(pack_guest(tmp_path, signed_by="mallory"), signed=False)
    assert (stranger.signer, stranger.key) == (None, key_of("mallory").public.fingerprint)
    files = files_in(packed)
    files[LABEL] = files[LABEL].replace(b'"1.0"', b'"1.1"')
    refuse(zipped.encode(files), "'alice' has not signed", signed=False)


SPOILED = "not what its label says"
CHANGED: list[tuple[str, Callable[[Files], None], str]] = [
    (
        "a changed file",
        lambda files: files.update({GUEST_TOML: b"#" + files[GUEST_TOML][1:]}),
        "not what its label says",
    ),
    ("a longer file", lambda files: files.update({GUEST_TOML: files[GUEST_TOML] + b"\n"}), SPOILED),
    ("a file more", lambda files: files.update({f"{GUEST}more.py": b""}), "which its label does not name"),
    ("a file fewer", lambda files: files.pop(GUEST_TOML), "no 'plugin/guest/jackfield.toml'"),
    ("another bill of materials", lambda files: files.update({SBOM: b"{}"}), "not what its label says"),
    ("no label", lambda files: files.pop(LABEL), "there is no PACK.json"),
    ("a label that is not JSON", lambda files: files.update({LABEL: b"{"}), "has not signed"),
    ("a signature that is not JSON", lambda files: files.update({SIGNATURE: b"{"}), "SIGNATURE: "),
    ("a signature that is none", lambda files: files.update({SIGNATURE: b'{"key": 1}'}), "SIGNATURE: "),
    ("an endless signature", lambda files: files.update({SIGNATURE: b" " * 5000}), "longer than 4 KB"),
]


@pytest.mark.parametrize(("change", "told"), [case[1:] for case in CHANGED], ids=[case[0] for case in CHANGED])
def test_a_change_behind_the_signers_back_is_refused(packed: bytes, change: Callable[[Files], None], told: str) -> None:
    files = files_in(packed)
    change(files)
    refuse(zipped.encode(files), told)


HOSTILE: list[tuple[str, Callable[[Files], None], str]] = [
    ("a path that climbs out", lambda files: files.update({f"{PLUGIN}../../evil.py": b""}), "climbs out"),
    ("an absolute path", lambda files: files.update({"/etc/cron.d/evil": b""}), "is absolute"),
    ("a place of its own", lambda files: files.update({"evil.py": b""}), "has no place in it"),
    ("a .pth file", lambda files: files.update({f"{GUEST}evil.pth": b"import os"}), "runs unseen"),
    ("a sitecustomize", lambda files: files.update({f"{GUEST}sitecustomize.py": b""}), "without being asked"),
    ("a usercustomize", lambda files: files.update({f"{PLUGIN}usercustomize.py": b""}), "without being asked"),
    ("compiled code", lambda files: files.update({f"{GUEST}__pycache__/plugin.py": b""}), "in place of"),
    ("a hidden file", lambda files: files.update({f"{GUEST}.env": b""}), "is hidden"),
    ("two names that are one", lambda files: files.update({f"{GUEST}PLUGIN.py": b""}), "is there twice"),
    ("a wheel with a .pth file", lambda files: files.update(_wheel(evil_pth=b"import os")), "evil.pth' is a .pth file"),
    ("a wheel that climbs out", lambda files: files.update(_wheel(**{"..__..__evil": b""})), "wheels/tiny"),
    (
        "a wheel that is none",
        lambda files: files.update({f"{GUEST}wheels/a.whl": b""}),
        "Invalid wheel filename",
    ),
    (
        "a source among wheels",
        lambda files: files.update({**_wheel(), f"{GUEST}wheels/a.tar.gz": b""}),
        "no wheel",
    ),
    ("a wheel for another machine", lambda files: files.update(_wheel(tag="cp311-cp311-win32")), "of tiny are not for"),
]


def _wheel(tag: str = "py3-none-any", **files: bytes) -> Files:
    return {f"{GUEST}wheels/tiny-1.0-{tag}.whl": wheel(**files)}


@pytest.mark.parametrize(("change", "told"), [case[1:] for case in HOSTILE], ids=[case[0] for case in HOSTILE])
def test_what_a_trusted_signer_may_not_bring_either(packed: bytes, change: Callable[[Files], None], told: str) -> None:
    files = files_in(packed)
    change(files)
    refuse(sealed_again(files), told)


@pytest.mark.parametrize(
    ("label", "told"),
    [
        ({"format": "jackfield-pack/2"}, "has the format 'jackfield-pack/2'"),
        ({"id": ""}, "PACK.json: "),
        ({"extra": 1}, "unknown field"),
        ({"permissions": "storage:read"}, "PACK.json: "),
        ({"sbom": "0" * 64}, "bill of materials"),
        ({"packages": [{"name": "harmless", "version": "1.0"}]}, "other packages than its lock"),
    ],
)
def test_a_label_is_read_strictly(packed: bytes, label: dict[str, object], told: str) -> None:
    refuse(sealed_again(files_in(packed), **label), told)


@pytest.mark.parametrize(
    ("lock", "told"),
    [
        (b"tiny==1.0 --hash=sha256:" + b"0" * 64, "other packages than its lock"),
        (b"tiny", "requirements.lock:1: tiny: is not pinned"),
        (b"\xff", "requirements.lock: 'utf-8'"),
        (b"#" * 1_048_577, "requirements.lock: is longer than 1024 KB"),
    ],
)
def test_a_label_does_not_keep_quiet_about_packages(packed: bytes, lock: bytes, told: str) -> None:
    refuse(sealed_again(files_in(packed) | {f"{GUEST}requirements.lock": lock}), told)


def test_a_label_that_says_something_twice_is_refused(packed: bytes) -> None:
    files = files_in(packed)
    files[LABEL] = files[LABEL].replace(b'{"dialect"', b'{"id":"other","dialect"', 1)
    files[SIGNATURE] = json.dumps(
        {"key": key_of("alice").public.fingerprint, "signature": key_of("alice").sign(files[LABEL]).signature}
    ).encode()
    refuse(zipped.encode(files), "not written in its one form")


def test_tests_that_stand_elsewhere_are_not_installed(packed: bytes) -> None:
    parcel = opened(sealed_again(files_in(packed) | {f"{TESTS}test_guest.py": b""}))
    assert "test_guest.py" not in " ".join(parcel.files)


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_an_edited_archive_is_refused_or_is_the_same(packed: bytes, data: st.DataObject) -> None:
    """Bytes are changed, taken out, moved and doubled."""
    begin = data.draw(st.integers(0, len(packed)))
    end = data.draw(st.integers(begin, len(packed)))
    source = data.draw(st.integers(0, len(packed)))
    inserted = data.draw(st.one_of(st.binary(max_size=40), st.just(packed[source : source + end - begin])))
    changed = packed[:begin] + inserted + packed[end:]
    try:
        parcel = opened(changed)
    except ManifestError:
        assert changed != packed
        return
    assert changed == packed
    assert parcel.files == opened(packed).files


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_files_that_are_shuffled_between_names_are_refused_or_the_same(packed: bytes, data: st.DataObject) -> None:
    files = files_in(packed)
    names = data.draw(st.permutations(list(files)))
    shuffled = {name: files[other] for name, other in zip(files, names, strict=True)}
    if shuffled == files:
        assert opened(zipped.encode(shuffled)).sha256 == sha256_of(packed)
    else:
        refuse(zipped.encode(shuffled), "is refused|PACK.json")
