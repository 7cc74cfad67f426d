"""Calls in async code that stop the event loop, and with it every other exchange."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from jackfield.testing.check.file_paths import FilePaths
from jackfield.testing.check.findings import Finding, finding
from jackfield.testing.check.functions import Call, Known
from jackfield.testing.check.plugin_class import PluginFile

_THREAD = "await it in a thread: asyncio.to_thread(…)"
_PROCESS = "use asyncio.create_subprocess_exec(…), and a deadline"
_COMMANDS = (
    "os.system",
    "os.popen",
    "os.wait",
    "os.waitpid",
    "subprocess.run",
    "subprocess.call",
    "subprocess.check_call",
    "subprocess.check_output",
    "subprocess.getoutput",
    "subprocess.getstatusoutput",
    "subprocess.Popen",
)
_CONNECTIONS = (
    "urllib.request.urlopen",
    "urllib.request.urlretrieve",
    "http.client.HTTPConnection",
    "http.client.HTTPSConnection",
    "socket.create_connection",
    "socket.getaddrinfo",
    "socket.gethostbyname",
    "ftplib.FTP",
    "smtplib.SMTP",
    "smtplib.SMTP_SSL",
    "sqlite3.connect",
    "psycopg2.connect",
    "pymysql.connect",
    "requests.Session",
    "requests.session",
    "httpx.Client",
    "httpx.stream",
    "httpx2.Client",
    "httpx2.stream",
    "urllib3.PoolManager",
)
_REQUESTS = tuple(
    f"{library}.{verb}"
    for library in ("requests", "httpx", "httpx2", "urllib3")
    for verb in ("delete", "get", "head", "options", "patch", "post", "put", "request")
)
# What is called, and what to do instead.
BLOCKING: Mapping[str, str] = {
    "time.sleep": "use await asyncio.sleep(…)",
    "builtins.input": "a gateway has no keyboard",
    **dict.fromkeys(_COMMANDS, _PROCESS),
    **dict.fromkeys((*_CONNECTIONS, *_REQUESTS), _THREAD),
}
FILES = frozenset({"builtins.open", "io.open"})
SHELLS = frozenset({"os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput"})

Predicate = Callable[[Known, Call], bool]


def check_blocking(file: PluginFile) -> Iterator[Finding]:
    """A function that blocks is told where async code calls it: run in a thread it is right."""
    paths = FilePaths(file.source)
    waiting = _blocking_functions(file, lambda one, call: call.origin in BLOCKING)
    opening = _blocking_functions(file, lambda one, call: _opens(call, one, paths))
    hot = file.hot()
    for one in file.functions:
        for call in one.calls:
            if one.is_async:
                yield from _check_call(file, one, call, waiting)
                if one.name in hot:
                    yield from _check_opening(file, one, call, opening, paths)
            if call.origin in SHELLS and not one.is_async:
                yield _tell(file, call, "shell", f"{_shown(call)} runs a command in a shell; {_PROCESS}")


def _check_call(file: PluginFile, one: Known, call: Call, waiting: Mapping[str, Call]) -> Iterator[Finding]:
    if call.origin is not None and call.origin in BLOCKING:
        advice = BLOCKING[call.origin]
        yield _tell(file, call, "blocking-call", f"{one.name} blocks the event loop with {_shown(call)}; {advice}")
    elif call.callee is not None and call.callee in waiting:
        deep = waiting[call.callee]
        what = f"{call.callee}, which blocks with {_shown(deep)} in line {deep.line}"
        yield _tell(file, call, "blocking-call", f"{one.name} calls {what}; {_THREAD}")


def _check_opening(
    file: PluginFile, one: Known, call: Call, opening: Mapping[str, Call], paths: FilePaths
) -> Iterator[Finding]:
    if _opens(call, one, paths):
        yield _tell(file, call, "blocking-file", f"{one.name} opens a file in the event loop; {_THREAD}")
    elif call.callee is not None and call.callee in opening:
        deep = opening[call.callee]
        what = f"{call.callee}, which opens a file in line {deep.line}"
        yield _tell(file, call, "blocking-file", f"{one.name} calls {what}; {_THREAD}")


def _blocking_functions(file: PluginFile, blocks: Predicate) -> dict[str, Call]:
    """The functions that are not async and block, themselves or through others, with the call that does."""
    plain = [one for one in file.functions if not one.is_async]
    found = {one.name: call for one in plain for call in reversed(one.calls) if blocks(one, call)}
    while more := {
        one.name: found[call.callee]
        for one in plain
        for call in one.calls
        if one.name not in found and call.callee in found
    }:
        found |= more
    return found


def _opens(call: Call, one: Known, paths: FilePaths) -> bool:
    if call.awaited:
        return False
    return call.origin in FILES or paths.is_opened(call.node, one)


def _shown(call: Call) -> str:
    return f"{(call.origin or '').removeprefix('builtins.')}()"


def _tell(file: PluginFile, call: Call, code: str, message: str) -> Finding:
    return finding(file.source.path, call.line, code, message)
