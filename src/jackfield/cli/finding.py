"""What one check of `jackfield doctor` found."""

from __future__ import annotations

from typing import Literal

import msgspec

Status = Literal["ok", "warn", "fail"]


class Finding(msgspec.Struct, frozen=True):
    check: str
    status: Status
    detail: str
    advice: str = ""
