"""What is wrong is told with file, line, field and the nearest known key, all at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from jackfield.errors import ConfigError
from jackfield.settings import load

UPSTREAM = "[[upstreams]]\nname = 'a'\nprovider = 'openai'\nmodels = ['x']\n"


def refusal(tmp_path: Path, text: str, environ: dict[str, str] | None = None) -> str:
    file = tmp_path / "jackfield.toml"
    file.write_text(text)
    with pytest.raises(ConfigError) as raised:
        load(file, {}, environ or {})
    return str(raised.value).replace(f"{file}:", "")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[server]\nprot = 1\n", "2: server.prot: unknown key; the nearest known one is 'port'"),
        ("[sever]\nport = 1\n", "1: sever: unknown key; the nearest known one is 'server'"),
        ("port = 1\n", "1: port: unknown key here; there is 'server.port'"),
        ("[logs]\nzzzz = 1\n", "2: logs.zzzz: unknown key; known here are level, format"),
        (
            UPSTREAM + "api_key = 'k'\n",
            "5: upstreams[0].api_key: unknown key; the nearest known one is 'api_key_env'",
        ),
        ("[server]\nport = '1'\n", "2: server.port: expected an integer, got a string"),
        ("[server]\nport = true\n", "2: server.port: expected an integer, got a boolean"),
        ("[server]\nport = 65536\n", "2: server.port: must be at most 65535"),
        ("[server]\ndrain_s = inf\n", "2: server.drain_s: must be a finite number"),
        ("server = 5\n", "1: server: expected a table, got an integer"),
        ("upstreams = 5\n", "1: upstreams: expected a list, got an integer"),
        (
            "[logs]\nlevel = 'loud'\n",
            "2: logs.level: expected 'debug', 'info', 'warning' or 'error', got a string",
        ),
        (UPSTREAM + "weight = 0\n", "5: upstreams[0].weight: must be greater than 0.0"),
        (
            UPSTREAM + "base_url = 'ftp://x'\n",
            "5: upstreams[0].base_url: expected a URL that begins with http",
        ),
        (UPSTREAM + "base_url = 'http://u:p@x'\n", "5: upstreams[0].base_url: must not carry credentials"),
        (UPSTREAM + "base_url = 'http://x:99999'\n", "5: upstreams[0].base_url: is not a URL"),
        (UPSTREAM + "headers = {Host = 'x'}\n", "5: upstreams[0].headers.Host: is the gateway's own to set"),
        (UPSTREAM + "headers = {'a b' = 'x'}\n", "5: upstreams[0].headers.a b: is not a header name"),
        (
            UPSTREAM + 'headers = {a = "x\\r\\ny"}\n',
            "5: upstreams[0].headers.a: must not contain line breaks",
        ),
        (
            UPSTREAM + "tls_ca_file = 'no.pem'\n",
            "5: upstreams[0].tls_ca_file: upstream 'a': there is no file",
        ),
        (
            "[[upstreams]]\nname = 'a b'\nprovider = 'p'\nmodels = ['x']\n",
            "2: upstreams[0].name: must begin with",
        ),
        ("[[upstreams]]\nname = 'a'\nprovider = 'p'\n", "1: upstreams[0].models: is required"),
        (
            "[[upstreams]]\nname = 'a'\nprovider = 'p'\nmodels = []\n",
            "4: upstreams[0].models: must not be empty",
        ),
        (
            "[[upstreams]]\nname = 'a'\nprovider = 'p'\nmodels = [\n'x',\n'y',\n'x']\n",
            "7: upstreams[0].models[2]: model 'x' is listed twice",
        ),
        (UPSTREAM + UPSTREAM, "6: upstreams[1].name: the name 'a' is already that of upstreams[0]"),
        (
            "[plugins.config.g]\npriority = 'x'\n",
            "2: plugins.config.g.priority: expected an integer, got a string",
        ),
        (
            "[plugins.config.g]\napprove = 3\n",
            "2: plugins.config.g.approve: expected 'auto' or 'ask' or a list",
        ),
        ("[usage]\nprices = ['no.toml']\n", "2: usage.prices[0]: there is no file"),
        ("a = 1\nb = \n", "2: is not TOML: Invalid value, column 5"),
        ("a = 1\nb = [\n", "3: is not TOML: "),
        ("a = 1\na = 2\n", "2: is not TOML: Cannot overwrite a value, column 6"),
    ],
)
def test_one_mistake_is_one_line(tmp_path: Path, text: str, expected: str) -> None:
    told = refusal(tmp_path, text)
    assert told.startswith(expected)
    assert "\n" not in told


def test_all_mistakes_of_a_file_are_told_together_in_the_order_of_its_lines(tmp_path: Path) -> None:
    text = "[server]\nport = 'x'\n[logs]\nlevl = 1\n" + UPSTREAM + "api_key_env = 'MISSING'\nweight = -1\n" + UPSTREAM
    told = refusal(tmp_path, text.replace("name = 'a'", "name = 'b'", 1) + "api_key_env = 'GONE'\n")
    assert [line.split(": ")[1] for line in told.splitlines()] == [
        "server.port",
        "logs.levl",
        "upstreams[0].api_key_env",
        "upstreams[0].weight",
        "upstreams[1].api_key_env",
    ]


def test_what_else_is_wrong_with_an_upstream_is_told_too(tmp_path: Path) -> None:
    told = refusal(tmp_path, "[[upstreams]]\nname = 'a'\nmodels = ['x', 'x']\napi_key_env = 'GONE'\n" + UPSTREAM)
    assert [line.split(": ")[:2] for line in told.splitlines()] == [
        ["1", "upstreams[0].provider"],
        ["3", "upstreams[0].models[1]"],
        ["4", "upstreams[0].api_key_env"],
        ["6", "upstreams[1].name"],
    ]


def test_a_key_in_the_wrong_place_is_not_repeated(tmp_path: Path) -> None:
    told = refusal(tmp_path, UPSTREAM + "api_key_env = 'sk-very-secret'\n")
    assert "expected the name of an environment variable" in told
    assert "very-secret" not in told


def test_a_missing_variable_is_named_with_its_upstream(tmp_path: Path) -> None:
    told = refusal(tmp_path, UPSTREAM + "api_key_env = 'NO_SUCH'\n")
    assert told == "5: upstreams[0].api_key_env: upstream 'a' needs the environment variable NO_SUCH, which is not set"
    assert "is empty" in refusal(tmp_path, UPSTREAM + "api_key_env = 'NO_SUCH'\n", {"NO_SUCH": " "})


def test_a_variable_named_by_a_header_is_needed_too(tmp_path: Path) -> None:
    told = refusal(tmp_path, UPSTREAM + "[upstreams.headers]\nX-Team = {env = 'TEAM'}\n")
    assert told.startswith("6: upstreams[0].headers.X-Team.env: upstream 'a' needs the environment variable TEAM")


def test_a_key_file_must_be_readable_and_hold_a_key(tmp_path: Path) -> None:
    assert "No such file" in refusal(tmp_path, UPSTREAM + "api_key_file = 'key'\n")
    (tmp_path / "key").write_text("a\nb\n")
    assert "must hold the key alone" in refusal(tmp_path, UPSTREAM + "api_key_file = 'key'\n")


def test_a_key_comes_from_one_place(tmp_path: Path) -> None:
    told = refusal(tmp_path, UPSTREAM + "api_key_file = 'key'\napi_key_env = 'KEY'\n", {"KEY": "abc"})
    assert told == "5: upstreams[0].api_key_file: upstream 'a' has both api_key_env and api_key_file"


@pytest.mark.parametrize(
    ("host", "base_url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8090/v1"),
        ("127.0.0.1", "http://localhost:8090"),
        ("0.0.0.0", "http://127.0.0.1:8090"),
        ("::", "http://[::1]:8090/v1"),
        ("127.0.0.1", "http://[::ffff:127.0.0.1]:8090/v1"),
        ("127.0.0.1", "http://0.0.0.0:8090/v1"),
        ("gateway.example", "http://Gateway.Example.:8090/v1"),
    ],
)
def test_an_upstream_must_not_be_the_gateway_itself(tmp_path: Path, host: str, base_url: str) -> None:
    told = refusal(tmp_path, f"[server]\nhost = '{host}'\n{UPSTREAM}base_url = '{base_url}'\n")
    assert told.startswith("7: upstreams[0].base_url: upstream 'a' points at this gateway itself")


def test_another_port_or_host_is_an_upstream(tmp_path: Path) -> None:
    file = tmp_path / "jackfield.toml"
    for base_url in ("http://127.0.0.1:8091/v1", "http://10.0.0.1:8090/v1/"):
        file.write_text(f"{UPSTREAM}base_url = '{base_url}'\n")
        assert load(file, {}, {}).upstreams[0].base_url == base_url.rstrip("/")


@pytest.mark.parametrize(
    ("variable", "nearest"),
    [
        ("JACKFIELD_SERVER__PROT", "JACKFIELD_SERVER__PORT"),
        ("JACKFIELD_PORT", "JACKFIELD_SERVER__PORT"),
        ("JACKFIELD_UPSTREAM", "JACKFIELD_UPSTREAMS"),
        ("JACKFIELD_ADMINKEY", "JACKFIELD_ADMIN_KEY"),
    ],
)
def test_an_unknown_variable_is_refused_with_the_nearest(variable: str, nearest: str) -> None:
    with pytest.raises(ConfigError, match=f"{variable} is not a setting; the nearest known one is {nearest}$"):
        load(None, {}, {variable: "8091"})


def test_a_wrong_value_of_a_variable_names_it() -> None:
    with pytest.raises(ConfigError, match=r"^server.port: expected an integer.*\(environment JACKFIELD_SERVER__PORT"):
        load(None, {}, {"JACKFIELD_SERVER__PORT": "many"})


def test_a_wrong_option_is_called_the_command_lines() -> None:
    with pytest.raises(ConfigError, match=r"^server.port: must be at least 0 \(command line\)$"):
        load(None, {"server.port": -1}, {})


def test_variables_that_are_no_settings_are_let_be(tmp_path: Path) -> None:
    file = tmp_path / "jackfield.toml"
    file.write_text(UPSTREAM + "api_key_env = 'JACKFIELD_OPENAI'\n")
    environ = {
        "JACKFIELD_ADMIN_KEY": "a",
        "JACKFIELD_API_KEY": "b",
        "JACKFIELD_SECRET": "c",
        "JACKFIELD_OPENAI": "named by the file",
        "JACKFIELD_PORT": "tcp://10.0.0.1:8090",
        "JACKFIELD_SERVICE_HOST": "10.0.0.1",
        "JACKFIELD_SERVICE_PORT_HTTP": "8090",
        "JACKFIELD_PORT_8090_TCP_ADDR": "10.0.0.1",
    }
    assert load(file, {}, environ).upstreams[0].api_key


@pytest.mark.parametrize("content", [b"\xff\xfe", b"a = " + b"[" * 5000])
def test_a_file_that_is_no_text_or_too_deep_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "jackfield.toml"
    file.write_bytes(content)
    with pytest.raises(ConfigError, match=r"jackfield.toml.*(not UTF-8|too deeply|is not TOML)"):
        load(file, {}, {})


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nothing.toml: cannot read the config file: No such file"):
        load(tmp_path / "nothing.toml", {}, {})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[store]\nredis = "http://127.0.0.1"\n', "2: store.redis: expected redis://host:port/number"),
        ('[store]\nurl = "mysql://h/db"\n', "2: store.url: expected sqlite, sqlite:///path or postgresql://"),
        ('[store]\nurl = "postgresql://u:p/w@h/db"\n', "2: store.url: is not understood: in its user and password"),
        ('[store]\nurl = "postgresql://u@h/db?password=x"\n', "2: store.url: has its password in the query"),
    ],
)
def test_what_has_no_effect_yet_is_refused(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "jackfield.toml"
    file.write_text(text)
    with pytest.raises(ConfigError) as refused:
        load(file, {}, {})
    assert said in str(refused.value)
