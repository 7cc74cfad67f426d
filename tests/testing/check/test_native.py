"""The manifest, the class and the settings of native plugins."""

from __future__ import annotations

from pathlib import Path

from jackfield.testing.check import Report

from .conftest import Look

PLUGIN = "from jackfield.sdk import Plugin\nclass Tried(Plugin):\n    pass\n"


def told(report: Report) -> list[tuple[str, int, str]]:
    return [(one.path.removeprefix("tried/"), one.line, one.code) for one in report.findings]


def test_everything_wrong_with_a_manifest_is_told_at_once_with_its_line(look: Look) -> None:
    manifest = """\
        id = "Tried"
        version = "1.0.0"
        descripton = "Does"
        priority = "first"
        permissions = [
            "storage:read",
            "storage:wright",
        ]
        [requires]
        plugin = ["other"]
    """
    report = look({"tried/jackfield.toml": manifest, "tried/plugin.py": PLUGIN})
    assert [(one.line, one.level, one.code) for one in report.findings] == [
        (line, "error", "manifest") for line in (1, 3, 4, 7, 10)
    ]
    messages = [one.message for one in report.findings]
    assert messages[1] == "descripton: unknown key; did you mean 'description'?"
    assert messages[3] == "permissions[1]: there is no permission 'storage:wright'; did you mean 'storage:write'?"
    assert messages[4] == "requires.plugin: unknown key; did you mean 'plugins'?"


def test_what_is_no_toml_is_told_with_its_line(look: Look) -> None:
    report = look({"tried/jackfield.toml": 'id = "tried"\nversion = \n', "tried/plugin.py": PLUGIN})
    assert told(report) == [("jackfield.toml", 2, "syntax")]


def test_a_manifest_without_description_and_version_is_told(look: Look) -> None:
    report = look({"tried/jackfield.toml": 'id = "tried"\n', "tried/plugin.py": PLUGIN})
    assert told(report) == [("jackfield.toml", 1, "description"), ("jackfield.toml", 1, "version")]
    assert not report.failed


GOOD = 'id = "tried"\nversion = "1"\ndescription = "Does"\n'


def test_a_plugin_of_ones_own_house_needs_no_words_for_others(look: Look) -> None:
    settings = "from jackfield.sdk import Plugin, PluginConfig\nclass Settings(PluginConfig):\n    limit: int\n"
    source = settings + "class Tried(Plugin[Settings]):\n    pass\n"
    assert look({"tried/plugin.py": source}).findings == []
    assert told(look({"tried/jackfield.toml": GOOD})) == [("plugin.py", 3, "field-description")]


def test_settings_with_a_description_are_passed_however_it_is_given(look: Look) -> None:
    source = """
        from typing import Annotated, ClassVar
        from pydantic import BaseModel, ConfigDict, Field
        from jackfield.sdk import Plugin, PluginConfig
        class Shared(PluginConfig):
            enabled: bool = True
            limit: int = Field(default=3, description="How many")
        class Settings(Shared):
            kinds: ClassVar[int] = 3
            name: Annotated[str, Field(description="What it is called")]
            _hidden: int = 0
        class Tried(Plugin[Settings]):
            pass
    """
    assert look({"tried/jackfield.toml": GOOD, "tried/plugin.py": source}).findings == []
    documented = source.replace("_hidden: int = 0", "model_config = ConfigDict(use_attribute_docstrings=True)")
    documented = documented.replace("kinds: ClassVar[int] = 3", 'size: int = 3\n            """How large"""')
    assert look({"tried/plugin.py": documented}).findings == []


def test_a_setting_inherited_without_a_description_is_told(look: Look) -> None:
    source = """\
        from pydantic import Field
        from jackfield.sdk import Plugin, PluginConfig
        class Shared(PluginConfig):
            limit: int = Field(default=3)
        class Settings(Shared):
            name: str = Field(description="What it is called")
        class Tried(Plugin[Settings]):
            pass
    """
    assert told(look({"tried/jackfield.toml": GOOD, "tried/plugin.py": source})) == [
        ("plugin.py", 4, "field-description")
    ]


def test_a_file_without_a_plugin_and_one_with_two_are_told(look: Look) -> None:
    assert told(look({"tried/plugin.py": "class Tried:\n    pass\n"})) == [("plugin.py", 1, "plugin-class")]
    two = PLUGIN + "class Other(Tried):\n    pass\n"
    assert told(look({"tried/plugin.py": two})) == [("plugin.py", 4, "plugin-class")]
    named = GOOD + 'entry = "plugin:Other"\n'
    assert look({"tried/jackfield.toml": named}).findings == []
    missing = GOOD + 'entry = "plugin:Another"\n'
    assert told(look({"tried/jackfield.toml": missing})) == [("plugin.py", 1, "plugin-class")]


def test_a_plugin_is_found_however_its_parent_was_imported(look: Look) -> None:
    for source in (
        "from jackfield.sdk import *\nclass Tried(Plugin):\n    pass\n",
        "import jackfield.sdk\nclass Tried(jackfield.sdk.Plugin):\n    pass\n",
        "from jackfield import sdk as s\nclass Tried(s.Plugin[s.PluginConfig]):\n    pass\n",
        "try:\n    from jackfield.sdk import Plugin\n    class Tried(Plugin):\n        pass\nfinally:\n    pass\n",
        "from .parents import *\nclass Tried(Parent):\n    pass\n",
        "class Tried(__import__('jackfield.sdk').sdk.Plugin):\n    pass\n",
    ):
        assert look({"tried/plugin.py": source}).findings == []


def test_files_that_the_gateway_would_not_copy_are_told(look: Look, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    look({"tried/plugin.py": PLUGIN})
    (tmp_path / "plugins" / "tried" / "out").symlink_to(tmp_path / "secret")
    assert told(look({})) == [("out", 1, "manifest")]


def test_an_entry_that_is_not_there_is_told_with_its_line(look: Look) -> None:
    manifest = GOOD + 'entry = "inner.main"\n'
    assert told(look({"tried/jackfield.toml": manifest, "tried/plugin.py": PLUGIN})) == [
        ("jackfield.toml", 4, "plugin-class")
    ]
    assert look({"tried/inner/main.py": PLUGIN}).findings == []


def test_a_strange_escape_is_no_finding(look: Look) -> None:
    assert look({"tried/plugin.py": PLUGIN.replace("pass", "text = '\\d'")}).findings == []


def test_what_is_no_python_is_told_with_its_line(look: Look) -> None:
    files = {"tried/plugin.py": PLUGIN, "tried/other.py": "def broken(:\n", "tried/tests/test_it.py": "def broken(:\n"}
    assert told(look(files)) == [("other.py", 1, "syntax")]


def test_an_id_that_another_plugin_has_is_told(look: Look) -> None:
    files = {
        "a/jackfield.toml": GOOD,
        "a/plugin.py": PLUGIN,
        "b/plugin.py": PLUGIN,
        "c/plugin.py": PLUGIN.replace("pass", 'id = "echo"'),
    }
    report = look(files)
    assert [(one.path, one.line, one.code) for one in report.findings] == [
        ("b/plugin.py", 2, "id-clash"),
        ("c/plugin.py", 3, "id-clash"),
    ]
    assert report.findings[0].message == "'tried' is also the id in a/jackfield.toml:1"
    assert report.findings[1].message == "'echo' is the id of a plugin that comes with Jackfield"
