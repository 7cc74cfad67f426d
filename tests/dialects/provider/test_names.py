"""By which names a provider goes, and which addresses are nobody's but the gateway's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from jackfield.dialects.provider.dialect import ProviderDialect, make_id
from jackfield.errors import ManifestError
from jackfield.settings import load
from jackfield.sources.base import Found

from .manifests import manifest, write_plugin


def find(folder: Path) -> Found:
    (found,) = ProviderDialect().find(folder)
    return found


def test_it_is_called_by_its_folder_and_its_type(tmp_path: Path) -> None:
    write_plugin(tmp_path / "my-folder", manifest(metadata={"provider_type": "My.Type"}))
    found = find(tmp_path)
    stated = found.manifest()
    assert stated is not None
    assert (found.name, stated.id, found.aliases) == ("my-folder", "my-folder", ("My.Type", "my_folder", "my_type"))


@pytest.mark.parametrize(
    ("name", "plugin_id"),
    [("test", "test"), ("My Provider", "my-provider"), ("7b", "provider-7b"), ("Ünï", "n"), ("___", "provider")],
)
def test_each_folder_name_makes_an_id(name: str, plugin_id: str) -> None:
    assert make_id(name) == plugin_id


@pytest.mark.parametrize("section", ["my-provider", "my.provider", None])
def test_an_environment_variable_comes_before_the_file(tmp_path: Path, section: str | None) -> None:
    file = tmp_path / "jackfield.toml"
    file.write_text(f'[plugins.config."{section}"]\ntimeout = 1\nother = 2\n' if section else "")
    settings = load(file, {}, {"JACKFIELD_PLUGINS__CONFIG__MY_PROVIDER__TIMEOUT": "5"})
    found = settings.plugins.config[section or "my_provider"].own
    assert found == ({"timeout": 5, "other": 2} if section else {"timeout": 5})


@pytest.mark.parametrize(
    ("endpoint", "listening", "is_own"),
    [
        ("http://localhost:8090", ("127.0.0.1", 8090), True),
        ("http://[::1]:8090/base", ("0.0.0.0", 8090), True),
        ("http://gateway.internal:8090", ("gateway.internal", 8090), True),
        ("http://127.0.0.1:8091", ("127.0.0.1", 8090), False),
        ("http://provider.internal:8090", ("127.0.0.1", 8090), False),
        ("http://localhost", ("127.0.0.1", 80), True),
        ("http://localhost:8090", None, False),
        ("http://localhost:8090", ("127.0.0.1", 0), False),
    ],
)
def test_an_endpoint_that_is_the_gateways_own_is_known(
    tmp_path: Path, endpoint: str, listening: tuple[str, int] | None, is_own: bool
) -> None:
    write_plugin(tmp_path / "test", manifest(endpoint))
    dialect = ProviderDialect(listening=listening)
    (found,) = dialect.find(tmp_path)
    assert dialect.read(found).kind.ground.own_address is is_own  # type: ignore[attr-defined]


def test_a_link_that_leads_out_is_refused(tmp_path: Path) -> None:
    outside = write_plugin(tmp_path / "outside", manifest())
    folder = tmp_path / "plugins" / "test"
    folder.mkdir(parents=True)
    (folder / "plugin.yaml").symlink_to(outside)
    found = find(tmp_path / "plugins")
    for read in (found.manifest, found.contents):
        assert read is not None
        with pytest.raises(ManifestError, match="leads out of the plugins folder"):
            read()
