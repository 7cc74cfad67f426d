"""How manifests name the services that plugins give to one another."""

from __future__ import annotations

import pytest

from jackfield.sdk.shared import read_need, read_offer

MET = [
    ("pricing", "pricing"),
    ("pricing 2.1", "pricing"),
    ("pricing 2.1", "pricing >=2,<3"),
    ("pricing 2.0rc1", "pricing >=2.0rc1"),
    ("a-b.c_d 1", "a-b.c_d ==1.*"),
]
NOT_MET = [
    ("prices", "pricing"),
    ("pricing", "pricing >=1"),
    ("pricing 3", "pricing >=2,<3"),
]
WRONG_OFFERS = ["", "Pricing", "pricing ", "pricing  2", "pricing two", "pricing >=2", "p" * 65]
WRONG_NEEDS = ["", "Pricing", "pricing ", "pricing 2", "pricing =>2", "pricing >=two"]


@pytest.mark.parametrize(("offer", "need"), MET)
def test_an_offer_meets_a_need_of_its_name_and_version(offer: str, need: str) -> None:
    assert read_need(need).is_met_by(read_offer(offer))


@pytest.mark.parametrize(("offer", "need"), NOT_MET)
def test_other_names_and_versions_do_not(offer: str, need: str) -> None:
    assert not read_need(need).is_met_by(read_offer(offer))


@pytest.mark.parametrize("text", WRONG_OFFERS)
def test_what_is_no_offer_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no (service|version)"):
        read_offer(text)


@pytest.mark.parametrize("text", WRONG_NEEDS)
def test_what_is_no_need_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no service|are no versions"):
        read_need(text)
