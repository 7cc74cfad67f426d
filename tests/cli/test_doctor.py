"""`jackfield doctor`: each check finds what is wrong and says what to do."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trustme

from jackfield.cli import diagnosis
from jackfield.cli.diagnosis import check_clock, check_data_folder, check_upstream
from jackfield.settings import Upstream

from .conftest import Run


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def upstream(base_url: str, tls_ca_file: Path | None = None) -> Upstream:
    return Upstream(name="u", provider="p", models={"x": "x"}, base_url=base_url, tls_ca_file=tls_ca_file)


@asynccontextmanager
async def listening(context: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with await asyncio.start_server(hang_up, "127.0.0.1", 0, ssl=context) as server:
        yield server.sockets[0].getsockname()[1]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def test_a_healthy_machine_is_exit_code_zero(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JACKFIELD_SERVER__PORT", str(free_port()))
    outcome = run("doctor", "--json")
    findings = {one["check"]: one["status"] for one in json.loads(outcome.out)}
    assert outcome.code == 0
    assert {"python", "libraries", "uvloop", "clock", "config", "data folder", "port", "store"} <= set(findings)
    assert "fail" not in findings.values()


def test_looking_makes_nothing(run: Run, folder: Path) -> None:
    run("doctor")
    assert list(folder.iterdir()) == []


def test_a_failure_is_exit_code_one_and_says_what_to_do(
    run: Run, taken_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JACKFIELD_SERVER__PORT", str(taken_port))
    outcome = run("doctor")
    (line,) = [line for line in outcome.out.splitlines() if line.startswith("fail")]
    assert outcome.code == 1
    assert f"127.0.0.1:{taken_port}: Address already in use" in line
    assert "or use --port" in line


def test_a_wrong_config_is_told_beside_the_other_checks(run: Run, folder: Path) -> None:
    (folder / "jackfield.toml").write_text("[[upstreams]]\nname='a'\nprovider='p'\nmodels=['x']\napi_key_env='NO'\n")
    outcome = run("doctor", "--json")
    findings = {one["check"]: one for one in json.loads(outcome.out)}
    assert outcome.code == 1
    assert "needs the environment variable NO" in findings["config"]["detail"]
    assert findings["data folder"]["status"] == "ok"


def test_a_key_file_that_others_may_read_is_a_warning(run: Run, folder: Path) -> None:
    (folder / "key").write_text("secret-value")
    (folder / "key").chmod(0o644)
    (folder / "jackfield.toml").write_text("[[upstreams]]\nname='a'\nprovider='p'\nmodels=['x']\napi_key_file='key'\n")
    outcome = run("doctor", "--json")
    warned = [one for one in json.loads(outcome.out) if one["check"] == "key of a" and one["status"] == "warn"]
    assert warned[0]["advice"] == f"chmod 600 {folder / 'key'}"
    assert "secret-value" not in outcome.out


def test_a_store_that_is_none_is_told(run: Run, folder: Path) -> None:
    (folder / ".jackfield").mkdir(0o700)
    (folder / ".jackfield" / "jackfield.db").write_text("this is no database, but long enough to look at" * 20)
    findings = {one["check"]: one for one in json.loads(run("doctor", "--json").out)}
    assert findings["store"]["status"] == "fail"
    assert findings["data folder"]["status"] == "ok"


def test_a_store_that_is_there_opens(run: Run) -> None:
    run("key", "create")
    findings = {one["check"]: one for one in json.loads(run("doctor", "--json").out)}
    assert findings["store"]["status"] == "ok"


def test_a_data_folder_open_to_others_is_a_warning(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    assert check_data_folder(tmp_path).status == "warn"
    tmp_path.chmod(0o700)
    assert check_data_folder(tmp_path).status == "ok"
    assert check_data_folder(tmp_path / "not" / "there").detail.endswith("will be made")


def test_a_data_folder_below_a_file_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert check_data_folder(tmp_path / "file" / "data").status == "fail"


def test_a_clock_before_this_version_is_wrong() -> None:
    assert check_clock(0).status == "fail"
    assert check_clock(diagnosis.EARLIEST + 1).status == "ok"


async def test_an_upstream_is_reached() -> None:
    async with listening() as port:
        finding = await check_upstream(upstream(f"http://127.0.0.1:{port}/v1"))
    assert finding.status == "ok"


async def test_an_upstream_that_refuses_is_a_failure() -> None:
    finding = await check_upstream(upstream(f"http://127.0.0.1:{free_port()}/v1"))
    assert (finding.status, finding.advice) == ("fail", "check base_url, and that it runs")


async def test_an_upstream_that_never_shakes_hands_is_a_failure_in_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(diagnosis, "CONNECT_S", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        finding = await check_upstream(upstream(f"https://127.0.0.1:{silent.getsockname()[1]}/v1"))
    assert (finding.status, finding.advice) == ("fail", "check the network")


async def test_a_certificate_of_an_unknown_authority_is_a_failure_until_it_is_named(tmp_path: Path) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    async with listening(context) as port:
        address = f"https://127.0.0.1:{port}"
        distrusted = await check_upstream(upstream(address))
        trusted = await check_upstream(upstream(address, tmp_path / "ca.pem"))
    assert (distrusted.status, trusted.status) == ("fail", "ok")
    assert "tls_ca_file" in distrusted.advice


@pytest.mark.parametrize(
    "line", ["pytest", "pytest>=1", "pytest<99,>=1", "pytest[extra]~=9.0", "pytest ; python_version > '3'"]
)
def test_a_library_is_found_however_its_version_is_asked_for(monkeypatch: pytest.MonkeyPatch, line: str) -> None:
    monkeypatch.setattr(diagnosis.importlib.metadata, "requires", lambda name: [line])
    (found,) = diagnosis.check_libraries()
    assert (found.status, found.detail) == ("ok", "all there")
