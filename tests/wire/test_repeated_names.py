"""Whether a name may stand twice in a body, told by its size."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from jackfield.wire.json import may_repeat

NAMES = st.lists(st.sampled_from(["a", "n", "bb", "model", "stream", ""]), max_size=6)
SPACES = st.lists(st.sampled_from(["", " ", "  ", "\n"]), min_size=4, max_size=4)


@settings(max_examples=200, deadline=None)
@given(NAMES, SPACES)
def test_no_repeated_name_hides_in_white_space(names: list[str], spaces: list[str]) -> None:
    before, after, between, end = spaces
    members = (f"{before}{json.dumps(name)}{after}:{between}1" for name in names)
    body = ("{" + ",".join(members) + end + "}").encode()
    assert may_repeat(body) or len(set(names)) == len(names)


def test_a_body_as_pythons_own_json_writes_it_is_not_suspected() -> None:
    body = {"model": "a", "messages": [{"role": "user", "content": "a " * 20}], "stream": True, "n": 1, "seed": 7}
    assert not may_repeat(json.dumps(body).encode())
    assert not may_repeat(json.dumps(body, indent=2).encode())
