"""What the operating system refuses an isolated plugin: each attempt fails, and each layer that holds it is one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from tests.runtimes.escapes import files, kernel, limits, network, processes
from tests.runtimes.escapes.prison import AS_ROOT, Prison, World

ATTEMPTS = {
    f"{group.__name__.rpartition('.')[2]}: {name}": attempt
    for group in (files, kernel, limits, network, processes)
    for name, attempt in group.ATTEMPTS.items()
}
# Those that can be shown to be attempts here.
SHOWN = [name for name, attempt in ATTEMPTS.items() if attempt.holds and (AS_ROOT or not attempt.root)]
ALONE = [(name, layer) for name in SHOWN for layer in ATTEMPTS[name].holds if len(ATTEMPTS[name].off) > 1]


@pytest.fixture(scope="module")
def prison(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prison]:
    with ExitStack() as stack:
        yield Prison(ATTEMPTS, World(tmp_path_factory.mktemp("world"), stack))


@pytest.mark.parametrize("name", ATTEMPTS)
def test_it_is_refused(prison: Prison, name: str) -> None:
    assert prison.tell(name) in ATTEMPTS[name].refused.split()


@pytest.mark.parametrize("name", SHOWN)
def test_it_gets_through_without_the_layers_that_hold_it(prison: Prison, name: str) -> None:
    assert prison.tell(name, ATTEMPTS[name].off) in ATTEMPTS[name].through.split()


@pytest.mark.parametrize(("name", "layer"), ALONE)
def test_each_layer_holds_it_by_itself(prison: Prison, name: str, layer: str) -> None:
    assert prison.tell(name, ATTEMPTS[name].off - {layer}) not in ATTEMPTS[name].through.split()
