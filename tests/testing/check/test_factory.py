"""Factory plugins, as far as they can be looked at without a host."""

from __future__ import annotations

import pytest

from .conftest import Look

PLUGIN = """\
import time
from ccproxy.plugins import PluginManifest, ProviderPluginRuntime, ProviderPluginFactory
from pydantic import BaseModel, Field
from fastapi import APIRouter
class MyProviderConfig(BaseModel):
    enabled: bool = True
    limit: int = Field(default=3, description="How many")
router = APIRouter()
@router.get("/state")
async def tell_state():
    return {}
class MyProviderRuntime(ProviderPluginRuntime):
    async def _on_initialize(self) -> None:
        pass
class MyProviderFactory(ProviderPluginFactory):
    def __init__(self) -> None:
        manifest = PluginManifest(
            name="my_provider",
            version="1.0.0",
            description="Serves models",
            is_provider=True,
            config_class=MyProviderConfig,
        )
        super().__init__(manifest)
factory = MyProviderFactory()
"""


def test_a_plugin_as_the_guide_writes_it_is_passed(look: Look) -> None:
    report = look({"my_provider/plugin.py": PLUGIN}, run=True)
    assert (report.findings, report.plugins, report.ran) == ([], ["my_provider"], [])


@pytest.mark.parametrize(
    ("old", "new", "line", "code"),
    [
        ("factory = MyProviderFactory()", "", 1, "plugin-class"),
        ('            description="Serves models",\n', "", 17, "description"),
        ('            version="1.0.0",\n', "", 17, "manifest"),
        ('Field(default=3, description="How many")', "3", 7, "field-description"),
        ("    return {}", "    time.sleep(1)", 11, "blocking-call"),
        ("    return {}", "    return open('state').read()", 11, "blocking-file"),
        ("        pass", "        time.sleep(1)", 14, "blocking-call"),
        ('name="my_provider"', 'name="echo"', 18, "id-clash"),
    ],
)
def test_what_is_wrong_is_told_where_it_stands(look: Look, old: str, new: str, line: int, code: str) -> None:
    assert old in PLUGIN
    report = look({"my_provider/plugin.py": PLUGIN.replace(old, new)})
    assert [(one.line, one.code) for one in report.findings] == [(line, code)]


def test_settings_of_a_file_beside_it_are_looked_at(look: Look) -> None:
    settings, rest = PLUGIN.index("class MyProviderConfig"), PLUGIN.index("router =")
    files = {
        "my_provider/plugin.py": "from .config import MyProviderConfig\n" + PLUGIN[:settings] + PLUGIN[rest:],
        "my_provider/config.py": "from pydantic import BaseModel\n"
        "class MyProviderConfig(BaseModel):\n    limit: int = 3\n",
    }
    (found,) = look(files).findings
    assert (found.path, found.line, found.code) == ("my_provider/config.py", 3, "field-description")
