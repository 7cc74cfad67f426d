"""What the admin API tells of a plugin before it is installed."""

from __future__ import annotations

from typing import Any

from jackfield.host.installer import Offer
from jackfield.sdk.permissions import PERMISSIONS
from jackfield.telemetry.text import escape_all_halves


def describe_offer(offer: Offer) -> dict[str, Any]:
    """`signer` is `None` where nobody has signed it whom the operator trusts; `upgrades` is the version that is
    installed, `added` and `removed` what it asks for that this one did not, and the other way round. `starts` is the
    program that it brings, and what that may reach."""
    seen, manifest, parcel = offer.seen, offer.seen.manifest, offer.parcel
    starts = manifest.grpc if manifest is not None else None
    asked = manifest.permissions if manifest is not None else ()
    told = {
        "id": seen.stated_id,
        "version": manifest.version if manifest is not None else None,
        "name": manifest.name if manifest is not None else "",
        "description": manifest.description if manifest is not None else "",
        "author": manifest.author if manifest is not None else "",
        "dialect": seen.found.dialect,
        "runtime": offer.runtime,
        "place": seen.found.place,
        "sha256": offer.sha256,
        "packed": parcel is not None,
        "signer": parcel.signer.name if parcel is not None and parcel.signer is not None else None,
        "key": parcel.key if parcel is not None else None,
        "catalogue": offer.catalogue,
        "hosts": manifest.http.hosts if manifest is not None else None,
        "starts": starts.model_dump(mode="json") if starts is not None else None,
        "packages": [f"{one.name} {one.version}" for one in parcel.label.packages] if parcel is not None else [],
        "asked": [{"name": name, "sentence": PERMISSIONS[name]} for name in asked],
        "approved": [name for name in asked if name in offer.approved],
        "upgrades": offer.upgrades,
        "added": [name for name in asked if offer.upgrades is not None and name not in offer.asked_before],
        "removed": [name for name in offer.asked_before if name not in asked],
    }
    described: dict[str, Any] = escape_all_halves(told)
    return described
