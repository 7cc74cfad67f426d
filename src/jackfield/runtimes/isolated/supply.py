"""Where wheels come from that a plugin did not bring: the package index that the operator chose."""

from __future__ import annotations

import ensurepip
import os
import re
import sys
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType

import msgspec

from jackfield.errors import ConfigError
from jackfield.runtimes.isolated.locks import Lock, Pin
from jackfield.runtimes.isolated.tools import run_tool
from jackfield.runtimes.isolated.wheels import LARGEST_WHEEL

# What pip is told of the gateway's environment, and nothing else of it.
PASSED_ON = (
    "PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_NO_INDEX", "PIP_TRUSTED_HOST", "PIP_CERT",
    "PIP_CLIENT_CERT", "PIP_PROXY", "PIP_CONFIG_FILE", "PIP_DEFAULT_TIMEOUT", "PIP_RETRIES",
    "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy",
    "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE",
)  # fmt: skip
_QUIET = MappingProxyType(
    {"PIP_NO_INPUT": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_CACHE_DIR": "1", "PIP_NO_COLOR": "1",
     "PIP_ROOT_USER_ACTION": "ignore", "LANG": "C.UTF-8", "PATH": os.defpath}
)  # fmt: skip
_CREDENTIALS = re.compile(r"//[^/@\s]+@")
_ERRORS = re.compile(r"^(?:ERROR: )(.+)$", re.MULTILINE)
_TOLD = 400


def _choose_environ(environ: Mapping[str, str]) -> Mapping[str, str]:
    return {name: environ[name] for name in PASSED_ON if name in environ}


class Supply(msgspec.Struct, frozen=True, kw_only=True):
    """`offline`: nothing is fetched, and a plugin brings its wheels. `environ` is where index, proxy and certificates
    are named in, as pip's users do. `deadline_s` is for one environment from its lock to its last file."""

    offline: bool = False
    environ: Mapping[str, str] = msgspec.field(default_factory=lambda: _choose_environ(os.environ))
    deadline_s: float = 600.0


async def fetch_wheels(lock: Lock, pins: Sequence[Pin], folder: Path, supply: Supply) -> None:
    """Into the folder, which is made. pip chooses the wheel for this machine, and checks its digest. Raises
    `ConfigError` naming the package."""
    wanted = _write_wanted(folder, pins)
    command = [
        *_find_pip(lock), "download", "--no-deps", "--require-hashes", "--only-binary", ":all:",
        "--progress-bar", "off", "--dest", str(folder), "--requirement", str(wanted),
    ]  # fmt: skip
    environ = {**_choose_environ(supply.environ), **_QUIET, "HOME": str(folder), "TMPDIR": str(folder)}
    try:
        code, words = await run_tool(command, environ, folder, LARGEST_WHEEL, supply.deadline_s)
    except TimeoutError:
        names = ", ".join(map(str, pins))
        raise ConfigError(f"{names} could not be fetched within {supply.deadline_s:g} s", file=str(lock.file)) from None
    if code != 0:
        raise _explain(lock, pins, words)


def _write_wanted(folder: Path, pins: Sequence[Pin]) -> Path:
    """In words of our own: nothing of a stranger's lock is pip's to read."""
    folder.mkdir()
    wanted = folder / "wanted.txt"
    wanted.write_text("".join(f"{pin}{''.join(f' --hash=sha256:{each}' for each in pin.digests)}\n" for pin in pins))
    return wanted


def _find_pip(lock: Lock) -> list[str]:
    """pip itself, or the one that Python brings for where there is none."""
    if find_spec("pip") is not None:
        return [sys.executable, "-I", "-m", "pip"]
    bundled = sorted(Path(ensurepip.__file__).with_name("_bundled").glob("pip-*.whl"))
    if not bundled:
        raise ConfigError("no pip is here to fetch packages with: put their wheels in wheels/", file=str(lock.file))
    return [sys.executable, "-I", str(bundled[-1] / "pip")]


def _explain(lock: Lock, pins: Sequence[Pin], words: str) -> ConfigError:
    errors = _ERRORS.findall(words) or words.splitlines()[-1:] or ["it said nothing"]
    told = _CREDENTIALS.sub("//***@", errors[-1])[:_TOLD]
    blamed = [pin for pin in pins if re.search(rf"\b{re.escape(pin.name)}==", words)] or list(pins)
    if "DO NOT MATCH THE HASHES" in words:
        return lock.refuse(blamed[-1], "the wheel of the package index has a digest that is none of those in the lock")
    if "No matching distribution" in words:
        return lock.refuse(
            blamed[-1], f"the package index has no wheel of it for this Python on this machine (pip: {told})"
        )
    return ConfigError(f"packages could not be fetched: {told}", file=str(lock.file))
