"""`[install]`: whose plugins are taken, and from where."""

from __future__ import annotations

from pathlib import Path

import pytest

from jackfield import settings
from jackfield.errors import ConfigError
from jackfield.settings import Settings, read_public_key, show_public_key

KEY = show_public_key(bytes(range(32)))


def load(folder: Path, text: str) -> Settings:
    file = folder / "jackfield.toml"
    file.write_text(text)
    return settings.load(file, {}, {})


def test_keys_stand_in_the_config_or_in_files_beside_it(tmp_path: Path) -> None:
    (tmp_path / "bob.pub").write_text(f"{KEY}\n")
    text = f"""
    [install]
    trusted_keys = {{ alice = "{KEY}", bob = "bob.pub" }}
    [[install.catalogues]]
    name = "near"
    path = "shop/index.json"
    key = "bob.pub"
    [[install.catalogues]]
    name = "far"
    url = "https://shop.example/index.json"
    key = "{KEY}"
    """
    install = load(tmp_path, text).install
    assert install.key_texts == {"alice": KEY, "bob": KEY}
    near, far = install.catalogues
    assert (near.path, near.key_text) == (tmp_path / "shop" / "index.json", KEY)
    assert (far.url, far.key_text) == ("https://shop.example/index.json", KEY)
    assert (install.require_signature, install.cooldown_days, install.max_bytes) == (True, 3, 128 * 1024 * 1024)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("trusted_keys = {alice = 'absent.pub'}", "install.trusted_keys.alice: cannot read"),
        ("trusted_keys = {alice = 'ed25519:AAAA'}", "install.trusted_keys.alice: expected a public key"),
        ("trusted_keys = {'a b' = 'x'}", "install.trusted_keys"),
        (f"[[install.catalogues]]\nname = 'x'\nkey = '{KEY}'", "'x' needs a url or a path, and not both"),
        (f"[[install.catalogues]]\nname = 'x'\nurl = 'ftp://x'\nkey = '{KEY}'", "install.catalogues[0].url"),
        ("[[install.catalogues]]\nname = 'x'\npath = 'y'\nkey = 'ed25519:!'", "install.catalogues[0].key: expected"),
        (
            f"[[install.catalogues]]\nname = 'x'\npath = 'y'\nkey = '{KEY}'\n" * 2,
            "install.catalogues[1].name: the name 'x' is already that of install.catalogues[0]",
        ),
        ("cooldown_days = -1", "install.cooldown_days"),
        ("max_mb = 0", "install.max_mb"),
        ("hosts = ['https://x']", "install.hosts"),
        ("trusted_key = {}", "trusted_keys"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load(tmp_path, text if text.startswith("[[") else f"[install]\n{text}")
    assert told in str(refused.value)


@pytest.mark.parametrize("text", ["", "ed25519:", "ed25519:AAAA", "rsa:AAAA", KEY.removeprefix("ed25519:")])
def test_a_key_is_written_in_one_way(text: str) -> None:
    assert read_public_key(f" {KEY}\n") == bytes(range(32))
    with pytest.raises(ValueError, match="written ed25519: and 44 characters"):
        read_public_key(text)
