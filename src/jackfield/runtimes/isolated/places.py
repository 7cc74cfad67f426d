"""Names in the data folder, for those who look before they import what uses them."""

from __future__ import annotations

ENVIRONMENTS = "environments"
