"""What the page on isolation promises is what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.runtimes.conftest import StartNode

from jackfield.errors import ConfigError
from jackfield.rpc import calls, codec, desk, framing, pace, streams
from jackfield.runtimes import output, process
from jackfield.runtimes.isolated import environments, wheels
from jackfield.runtimes.launch import LAYERS
from jackfield.runtimes.limits import Limits
from jackfield.runtimes.node import NodeSession
from jackfield.runtimes.node.session import ENVIRON, PERMISSION_LAYER

PAGE = " ".join((Path(__file__).resolve().parents[2] / "docs/explanation/isolation.md").read_text().split())


def test_each_layer_is_explained_and_no_other() -> None:
    assert re.findall(r"\| `(\w+)` \|", PAGE) == [*LAYERS, PERMISSION_LAYER]


@pytest.mark.parametrize(
    "promise",
    [
        f"at most {framing.LARGEST // 1024**2} MB and {codec.DEEPEST} levels",
        f"{calls.MOST_CALLS:,} calls of ours and {desk.MOST_ANSWERS} of the plugin's",
        f"{streams.CREDIT} items are on the way",
        f"{pace.PER_S:,.0f} requests a second",
        f"{Limits().memory_mb} MB resident",
        f"{Limits().hang_s:g} s while calls wait",
        f"{Limits().cpu_s:g} s within {Limits().cpu_window_s:g} s",
        f"more than {Limits().files} descriptors",
        f"| {Limits().start_s:g} s |",
        f"the last {output.KEPT // 1024} KB are kept",
        f"after {process.FIRST_PAUSE_S:g} s, then twice as long each time up to {process.LONGEST_PAUSE_S:g} s",
        ", ".join(f"`{name}`" for name in list(ENVIRON)[:2]),
        f"at most {wheels.MOST_BYTES // wheels.MB:,} MB in {wheels.MOST_FILES:,} files",
        f"What no plugin used for {environments.GRACE_S / 86400:g} days",
    ],
)
def test_its_numbers_are_those_of_the_code(promise: str) -> None:
    assert promise in PAGE


async def test_a_layer_that_there_is_not_cannot_be_demanded(start_node: StartNode) -> None:
    with pytest.raises(ConfigError, match="there is no layer moat of a sandbox; there are rlimits"):
        await start_node(minimum=("moat",))


async def test_what_is_demanded_and_there_is_had(start_node: StartNode) -> None:
    session: NodeSession = await start_node(minimum=LAYERS)
    assert session.diagnose().state == "running"
