"""`jackfield plugin`: a running gateway's plugins from a shell beside it."""

from __future__ import annotations

import pytest

from jackfield.cli.plugin_output import print_plugin

from .conftest import StartGateway
from .operator import BROKEN, QUIET, Operator


async def test_the_list_for_people(operator: Operator) -> None:
    operator.put("broken", BROKEN)
    await operator.plugin("reload", "broken")
    heading, *rows = (await operator.said("list")).splitlines()
    assert heading.split() == [
        "ID",
        "NAME",
        "VERSION",
        "DIALECT",
        "SOURCE",
        "STATE",
        "HOOKS",
        "CALLS",
        "ERRORS",
        "REASON",
    ]
    quiet = next(row for row in rows if row.startswith("quiet "))
    assert quiet.split() == ["quiet", "quiet", "1.0", "native", "folder", "active", "-", "0", "0", "-"]


async def test_the_list_for_programs_is_what_the_api_tells(operator: Operator) -> None:
    assert await operator.told("list") == (await operator.gateway.admin("/api/v1/plugins")).json["plugins"]
    assert await operator.told("info", "quiet") == await operator.gateway.plugin("quiet")


async def test_one_plugin_for_people(operator: Operator) -> None:
    operator.put("greeter", GREETER, 'id = "greeter"\nname = "A/B Greeter"\npermissions = ["storage:read"]\n')
    await operator.said("reload")
    said = await operator.said("info", "A/B Greeter")
    fields = dict(line.split(maxsplit=1) for line in map(str.strip, said.splitlines()) if " " in line)
    assert (fields["id"], fields["name"], fields["state"]) == ("greeter", "A/B Greeter", "active")
    assert (fields["permissions"], fields["enabled"], fields["calls"]) == ("storage:read", "yes", "0")
    assert said.splitlines()[-1].split() == ["check", "pre_flight", "7", "500", "ms", "open"]


async def test_the_process_of_one_that_has_its_own(operator: Operator, capsys: pytest.CaptureFixture[str]) -> None:
    process = {"state": "waiting", "pid": None, "exit": "exit code 3", "last_words": "one\ntwo", "layers": ["a", "b"]}
    print_plugin(await operator.told("info", "quiet") | {"process": process})
    said = capsys.readouterr().out
    assert [" ".join(line.split()) for line in said.splitlines() if line.startswith("process ")] == [
        "process state waiting",
        "process pid -",
        "process exit exit code 3",
        "process last words one two",
        "process layers a, b",
    ]


GREETER = """
    from jackfield.sdk import Plugin, hook

    class Greeter(Plugin):
        @hook("pre_flight", on_failure="open", priority=7)
        async def check(self, exchange):
            return None
"""


async def test_a_plugin_is_disabled_and_enabled(operator: Operator) -> None:
    assert await operator.said("disable", "quiet") == "disabled quiet (generation 2)\n"
    assert (await operator.gateway.plugin("quiet"))["state"] == "disabled"
    assert await operator.said("disable", "quiet") == "quiet does not run\n"
    assert (await operator.told("enable", "quiet"))["changed"] is True
    assert await operator.said("enable", "quiet") == "quiet runs already\n"


async def test_what_is_new_on_disk_is_taken_in(operator: Operator) -> None:
    assert await operator.said("reload") == "nothing had changed\n"
    operator.put("quiet", QUIET.replace("1.0", "2.0"))
    operator.put("late", QUIET.replace("Quiet", "Late"))
    assert await operator.said("reload", "quiet") == "reloaded quiet (generation 2)\n"
    assert await operator.said("reload") == "reloaded late (generation 3)\n"
    assert await operator.said("reload", "late", "--force") == "reloaded late (generation 4)\n"


async def test_a_reload_for_the_worse_says_why_and_changes_nothing(operator: Operator) -> None:
    operator.put("quiet", BROKEN)
    said = await operator.refused("reload")
    assert said.startswith("nothing has changed: quiet: SyntaxError")
    assert (await operator.gateway.plugin("quiet"))["state"] == "active"


async def test_a_reload_of_one_that_still_fails_says_why(
    operator: Operator, start_gateway: StartGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway = await start_gateway(plugins={"bad": BROKEN})
    monkeypatch.setenv("JACKFIELD_URL", gateway.url)
    assert (await operator.refused("reload", "bad")).startswith("nothing has changed: bad: SyntaxError")
    assert await operator.said("reload") == "nothing had changed\n"


async def test_changes_are_listed_and_rolled_back(operator: Operator) -> None:
    await operator.said("disable", "quiet")
    heading, newest, first = (await operator.said("history")).splitlines()
    assert heading.split()[:4] == ["GENERATION", "AT", "BY", "ACTION"]
    assert newest.split()[3:] == ["key_environment_admin", "disable", "quiet:", "disabled", "1"]
    assert first.split()[0] == "1"
    assert await operator.said("rollback") == "rolled back quiet (generation 3)\n"
    assert "no earlier generation" in await operator.refused("rollback")
    assert [one["number"] for one in await operator.told("history")] == [3, 2, 1]


async def test_a_folder_is_installed_by_its_path_and_another_by_name(operator: Operator) -> None:
    elsewhere = operator.put("../elsewhere", QUIET, 'id = "guest"\npermissions = ["storage:read", "storage:write"]\n')
    assert "only 'inprocess' or 'isolated'" in await operator.refused("install", str(elsewhere), "--runtime", "docker")
    options = ("--runtime", "inprocess", "--approve", "storage:read,storage:write")
    assert await operator.said("install", str(elsewhere), *options) == "installed guest (generation 2)\n"
    guest = await operator.told("info", "guest")
    assert guest["state"] == "active"
    assert guest["digest"] in await operator.refused("install", str(elsewhere), *options, "--sha256", "0" * 64)
    again = await operator.said("install", f"{elsewhere}/", *options, "--sha256", guest["digest"])
    assert again == f"{elsewhere}/ is installed already\n"
    assert "only https" in await operator.refused("install", "http://example.com/guest.jackfield")
    operator.put("late", QUIET.replace("Quiet", "Late"))
    assert await operator.said("install", "late") == "installed late (generation 3)\n"


async def test_a_plugin_is_uninstalled_and_its_folder_stays(operator: Operator) -> None:
    assert await operator.said("uninstall", "quiet") == "uninstalled quiet (generation 2)\n"
    assert (operator.gateway.folder / "plugins" / "quiet" / "plugin.py").exists()
    assert await operator.said("install", "quiet") == "installed quiet (generation 3)\n"
    assert "disable it instead" in await operator.refused("uninstall", "echo")


async def test_permissions_are_told_approved_and_taken_away(operator: Operator) -> None:
    operator.put("keeper", QUIET, 'id = "keeper"\npermissions = ["storage:read", "storage:write"]\n')
    await operator.said("reload")
    await operator.said("disable", "keeper")
    await operator.said("permissions", "keeper", "--revoke", "storage:read,storage:write")
    heading, *rows = (await operator.said("permissions", "keeper", "--approve", "storage:read")).splitlines()
    assert heading.split()[:2] == ["PERMISSION", "STATE"]
    assert [row.split()[:3] for row in rows] == [
        ["storage:read", "approved", "Read"],
        ["storage:write", "not", "approved"],
    ]
    told = await operator.told("permissions", "keeper", "--approve", "storage:write")
    assert (told["approved"], told["difference"]) == (["storage:read", "storage:write"], [])
    await operator.said("enable", "keeper")
    assert "storge" in await operator.refused("permissions", "keeper", "--approve", "storge:read")


async def test_a_config_is_told_and_changed(operator: Operator) -> None:
    heading, *rows = (await operator.said("config", "quiet")).splitlines()
    assert heading.split() == ["KEY", "VALUE", "SET", "HERE"]
    assert [row.split() for row in rows] == [
        ["greeting", '"hello"', "no"],
        ["api_key", '"***"', "no"],
        ["limits", "{}", "no"],
    ]
    changed = await operator.told("config", "quiet", "--set", "greeting=moin", "--set", 'limits={"a": 1}')
    assert changed["overlay"] == {"greeting": "moin", "limits": {"a": 1}}
    more = await operator.told("config", "quiet", "--set", "api_key=secret=1", "--unset", "greeting")
    assert more["overlay"] == {"api_key": "***", "limits": {"a": 1}}
    kept = await operator.told("config", "quiet", "--set", "priority=5")
    assert kept["overlay"] == more["overlay"] | {"priority": 5}
    assert "greting" in await operator.refused("config", "quiet", "--set", "greting=x")


async def test_a_config_is_set_from_a_file(operator: Operator) -> None:
    file = operator.gateway.folder / "quiet.json"
    file.write_text('{"api_key": "never on a command line"}')
    await operator.told("config", "quiet", "--set", "greeting=moin")
    assert (await operator.told("config", "quiet", "--file", str(file)))["overlay"] == {"api_key": "***"}
    for text in ("[]", "{"):
        file.write_text(text)
        assert "quiet.json" in await operator.refused("config", "quiet", "--file", str(file))


async def test_an_unknown_plugin_is_told_by_every_command(operator: Operator) -> None:
    for command in ("info", "enable", "disable", "reload", "install", "uninstall", "permissions", "config"):
        assert "no plugin 'quit'" in await operator.refused(command, "quit")


async def test_wrong_usage(operator: Operator) -> None:
    for arguments in (("config", "quiet", "--set", "greeting"), ("enable",), ("config", "quiet", "--set", "=x")):
        assert (await operator.plugin(*arguments)).code == 2
