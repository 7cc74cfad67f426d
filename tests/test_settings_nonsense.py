"""Whatever is given, the answer is settings or a `ConfigError`, and what is described can be written as JSON."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from jackfield.errors import ConfigError
from jackfield.settings import Settings, Upstream, describe, inspect

_names = st.sampled_from(
    [*Settings.model_fields, *Upstream.model_fields, "dirs", "config", "port", "url", "x", "0", ""]
)
_plain = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=4), st.just("http://[::1"))
_values = st.recursive(
    _plain,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(_names, inner, max_size=4)),
    max_leaves=10,
)
_minimal = {"name": st.just("a"), "provider": st.just("p"), "models": st.just(["m"])}
_others = [name for name in Upstream.model_fields if name not in _minimal]
_upstream: st.SearchStrategy[Any] = st.fixed_dictionaries(_minimal, optional=dict.fromkeys(_others, _values))
_upstreams: st.SearchStrategy[Any] = st.lists(st.one_of(_upstream, _values), max_size=2)
_sections: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {}, optional={**dict.fromkeys(Settings.model_fields, _values), "upstreams": st.one_of(_upstreams, _values)}
)


def check(overrides: dict[str, Any], environ: dict[str, str], file: Path | None = None) -> None:
    found, problems = inspect(file, overrides, environ)
    assert all(isinstance(problem, ConfigError) and str(problem) for problem in problems)
    if found is None:
        assert problems
    else:
        json.dumps([(one.name, one.value, one.source) for one in describe(found)])


@settings(deadline=None, max_examples=150)
@given(_sections)
def test_any_options(overrides: dict[str, Any]) -> None:
    check(overrides, {})


@settings(deadline=None, max_examples=150)
@given(st.dictionaries(st.sampled_from(["UPSTREAMS", "SERVER", "PLUGINS", "PLUGINS__CONFIG", "X"]), _values))
def test_any_environment(values: dict[str, Any]) -> None:
    check({}, {f"JACKFIELD_{name}": json.dumps(value) for name, value in values.items()})


@settings(deadline=None, max_examples=150)
@given(st.text("[]{}=\"'.,#\n\r ae1-", max_size=30))
def test_any_file(text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "jackfield.toml")
        file.write_text(text, newline="")
        check({}, {}, file)
