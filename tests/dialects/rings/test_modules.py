"""The modules of ring plugins: which names they find, what they share, and that nothing of them stays."""

from __future__ import annotations

import asyncio
import gc
import pickle
import sys
import traceback
import weakref
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from jackfield.dialects.rings import dialect as ring_dialect
from jackfield.dialects.rings.dialect import RingDialect
from jackfield.dialects.rings.names import plugin_engine, plugin_sdk, tokenizer
from jackfield.errors import ManifestError
from jackfield.sources.base import Found

from .folders import PASSES, entry, reason_of, write_folder

RUN = "async def run(ctx):\n    return ctx\n"


def symbol_of(found: Found) -> Any:
    loaded = found.load()
    assert isinstance(loaded, ring_dialect.Loaded)
    return loaded.symbol


def run_in(tmp_path: Path, source: str, **files: str) -> dict[str, Any]:
    """The namespace of `default/tried.py` with this source, beside `files` (`a__b` is `a/b.py`)."""
    others = {f"{path.replace('__', '/', 1)}.py": text for path, text in files.items()}
    entries = [entry("Tried", "default.tried", "run")]
    folder = write_folder(tmp_path, *entries, files={"default/tried.py": f"{source}\n{RUN}", **others})
    (found,) = RingDialect().find(folder)
    namespace: dict[str, Any] = symbol_of(found).__globals__
    return namespace


def ring_modules() -> set[str]:
    return {name for name in sys.modules if name.startswith("jackfield_ring_")}


def test_the_rings_names_are_found_in_every_spelling(tmp_path: Path) -> None:
    source = """
import core
import core.plugin_sdk
import core.plugin_engine as engine
from core import tokenizer, plugin_sdk as sdk
from core.plugin_sdk import *
import core.pricing
"""
    got = run_in(tmp_path, source)
    assert got["core"].plugin_sdk is got["sdk"] is plugin_sdk
    assert (got["engine"], got["tokenizer"], got["BasePlugin"]) == (plugin_engine, tokenizer, plugin_sdk.BasePlugin)
    assert got["core"].pricing.get_pricing("gpt-4o") == {"input": 2.5, "output": 10.0}


def test_the_rings_names_exist_for_ring_modules_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Under pytest they exist outside of gateways too, where a test has asked for them.
    for name in [name for name in sys.modules if name.partition(".")[0] in ("core", "plugins")]:
        monkeypatch.delitem(sys.modules, name)
    run_in(tmp_path, "import core.plugin_sdk, plugins.default.near", default__near="x = 1")
    assert not {"core", "core.plugin_sdk", "plugins", "plugins.default"} & set(sys.modules)
    with pytest.raises(ModuleNotFoundError):
        __import__("core.plugin_sdk")


def test_an_installed_package_called_core_is_not_hidden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed, deep = ModuleType("core"), ModuleType("core.deep")
    vars(installed).update(__path__=[], deep=deep, answer=42)
    vars(deep).update(x=7)
    monkeypatch.setitem(sys.modules, "core", installed)
    monkeypatch.setitem(sys.modules, "core.deep", deep)
    source = "import core.plugin_sdk\nimport core.deep\nfrom core.deep import x\nfrom core import answer, plugin_engine"
    got = run_in(tmp_path, source)
    assert (got["core"].plugin_sdk, got["core"].deep, got["x"], got["answer"]) == (plugin_sdk, deep, 7, 42)
    assert got["plugin_engine"] is plugin_engine


@pytest.mark.parametrize(
    "line", ["import core.nothing", "from core import nothing", "import plugins.nothing", "from . import nothing"]
)
def test_what_is_not_there_is_an_import_error(tmp_path: Path, line: str) -> None:
    got = run_in(tmp_path, f"try:\n    {line}\n    missed = False\nexcept ImportError:\n    missed = True")
    assert got["missed"]


def test_first_party_modules_are_found_in_every_spelling(tmp_path: Path) -> None:
    source = """
import plugins.default.near
import plugins.default.near as near
from plugins.default import near as again
from plugins.default.near import x
from plugins import default
from . import near as beside
from .near import x as y
from ..other.far import *
from .. import other
"""
    got = run_in(tmp_path, source, default__near="x = [1]", other__far="far = True")
    assert got["plugins"].default.near is got["near"] is got["again"] is got["beside"] is got["default"].near
    assert got["x"] is got["y"] is got["near"].x
    assert (got["far"], got["other"].far.far) == (True, True)


def test_packages_may_have_code_of_their_own(tmp_path: Path) -> None:
    files = {"default__near": "from . import size\ntwice = 2 * size", "default____init__": "size = 4"}
    got = run_in(tmp_path, "from plugins.default import *\nfrom plugins.default import near\nimport plugins", **files)
    assert (got["size"], got["near"].twice, got["plugins"].default.size) == (4, 8, 4)
    assert not hasattr(got["plugins"].default, "nothing")


def test_an_import_inside_of_a_function_works_later(tmp_path: Path) -> None:
    source = (
        "async def later():\n    from .near import x\n    import plugins.default.near as near\n    return x, near.x"
    )
    got = run_in(tmp_path, source, default__near="x = 5")
    assert asyncio.run(got["later"]()) == (5, 5)


def test_modules_that_import_each_other_work(tmp_path: Path) -> None:
    got = run_in(
        tmp_path, "from . import near\nown = 1", default__near="from . import tried\ndef own(): return tried.own"
    )
    assert got["near"].own() == 1


def test_a_module_beyond_the_folder_is_refused(tmp_path: Path) -> None:
    files = {"default/tried.py": f"from ...beyond import x\n{RUN}"}
    (found,) = RingDialect().find(write_folder(tmp_path, entry("Tried", "default.tried", "run"), files=files))
    assert "beyond the plugins folder" in reason_of(found)


def test_modules_are_as_real_as_others(tmp_path: Path) -> None:
    source = """
from __future__ import annotations
import dataclasses, enum, typing
import plugins.default.tried as me

@dataclasses.dataclass
class Point:
    x: int = 1
    kind: typing.ClassVar[str] = "point"

class Colour(enum.Enum):
    RED = 1
"""
    got = run_in(tmp_path, source)
    assert pickle.loads(pickle.dumps((got["Point"](3), got["Colour"].RED))) == (got["Point"](3), got["Colour"].RED)
    assert got["me"].Point is got["Point"]
    assert got["__file__"] == str(tmp_path / "default" / "tried.py")


def test_tracebacks_show_the_lines_that_ran(tmp_path: Path) -> None:
    got = run_in(tmp_path, "def fail():\n    return 1 / 0  # here")
    (tmp_path / "default" / "tried.py").unlink()
    with pytest.raises(ZeroDivisionError) as caught:
        got["fail"]()
    assert "1 / 0  # here" in "".join(traceback.format_exception(caught.value))


ROUTERS = {
    "default/smart_router.py": f"state = []\n{RUN}",
    "default/neural_router.py": "from plugins.default.smart_router import run, state\n",
}
ENTRIES = [entry("Smart", "default.smart_router", "run"), entry("Neural", "default.neural_router", "run")]


def test_plugins_share_what_they_import(tmp_path: Path) -> None:
    smart, neural = RingDialect().find(write_folder(tmp_path, *ENTRIES, files=ROUTERS))
    assert symbol_of(neural) is symbol_of(smart)


def test_an_unchanged_plugin_keeps_its_module_over_a_reload(tmp_path: Path) -> None:
    dialect = RingDialect()
    folders = [write_folder(tmp_path / name, *ENTRIES, files=ROUTERS) for name in ("one", "two")]
    first, second = (dialect.find(folder)[0] for folder in folders)
    assert symbol_of(first) is symbol_of(second)
    first.forget()
    assert symbol_of(second).__module__ in sys.modules


def test_a_changed_import_makes_another_version(tmp_path: Path) -> None:
    dialect, before = RingDialect(), ring_modules()
    smart, neural = dialect.find(write_folder(tmp_path, *ENTRIES, files=ROUTERS))
    old, kept = symbol_of(smart), symbol_of(neural)
    changed = {**ROUTERS, "default/smart_router.py": f"state = [1]\n{RUN}"}
    smart_again, neural_again = dialect.find(write_folder(tmp_path, *ENTRIES, files=changed))
    new = symbol_of(neural_again)
    assert symbol_of(smart_again) is new is not old is kept
    assert (old.__globals__["state"], new.__globals__["state"]) == ([], [1])
    assert len(ring_modules() - before) == 4
    smart.forget()
    neural.forget()
    assert len(ring_modules() - before) == 2


def test_two_gateways_in_one_process_share_nothing(tmp_path: Path) -> None:
    folder = write_folder(tmp_path, *ENTRIES, files=ROUTERS)
    assert symbol_of(RingDialect().find(folder)[0]) is not symbol_of(RingDialect().find(folder)[0])


def test_a_module_stays_until_the_last_plugin_that_uses_it_is_forgotten(tmp_path: Path) -> None:
    before = ring_modules()
    smart, neural = RingDialect().find(write_folder(tmp_path, *ENTRIES, files=ROUTERS))
    shared = weakref.ref(sys.modules[symbol_of(smart).__module__])
    symbol_of(neural)
    smart.forget()
    gc.collect()
    assert shared() is not None
    neural.forget()
    gc.collect()
    assert shared() is None
    assert ring_modules() == before


def test_nothing_of_a_forgotten_plugin_stays(tmp_path: Path) -> None:
    """Not its class, not the kind that was made of it, not what its modules hold."""
    dialect, before = RingDialect(), ring_modules()
    folder = write_folder(tmp_path, entry(config={"a": 1}, ui_schema=[{"key": "a", "type": "number"}]))
    seen: list[weakref.ref[Any]] = []
    for round_ in range(3):
        write_folder(
            tmp_path, entry(config={"a": 1}), files={"marketplace/my_plugin.py": f"{PASSES}\nround_ = {round_}"}
        )
        (found,) = dialect.find(folder)
        kind = dialect.read(found).kind
        seen += [
            weakref.ref(kind),
            weakref.ref(symbol_of(found)),
            weakref.ref(sys.modules[symbol_of(found).__module__]),
        ]
        found.forget()
        del kind, found
    gc.collect()
    assert [one for one in (ref() for ref in seen) if one is not None] == []
    assert ring_modules() == before


def test_a_module_that_fails_leaves_nothing(tmp_path: Path) -> None:
    before = ring_modules()
    files = {"default/tried.py": "from . import near\nraise SystemExit(3)", "default/near.py": "x = 1"}
    (found,) = RingDialect().find(write_folder(tmp_path, entry("Tried", "default.tried", "run"), files=files))
    with pytest.raises(SystemExit):
        found.load()
    assert ring_modules() == before


@pytest.mark.parametrize("source", ["x = 1", "Passes = 5"])
def test_a_module_without_a_plugin_leaves_nothing(tmp_path: Path, source: str) -> None:
    before, dialect = ring_modules(), RingDialect()
    (found,) = dialect.find(write_folder(tmp_path, entry(), files={"marketplace/my_plugin.py": source}))
    with pytest.raises(ManifestError):
        dialect.read(found)
    assert ring_modules() == before


def test_an_import_after_the_end_says_so(tmp_path: Path) -> None:
    files = {"default/tried.py": "async def run(ctx):\n    from . import near\n", "default/near.py": "x = 1"}
    (found,) = RingDialect().find(write_folder(tmp_path, entry("Tried", "default.tried", "run"), files=files))
    run = symbol_of(found)
    found.forget()
    with pytest.raises(ImportError, match="has been unloaded"):
        asyncio.run(run(None))
