"""`jackfield doctor`: what would keep the gateway from working here, and what to do about it."""

from __future__ import annotations

import asyncio
import os

import typer

from jackfield.cli.options import ConfigOption, DataDirOption, JsonOption, find_config, given
from jackfield.cli.output import print_json, print_table


def doctor(config: ConfigOption = None, data_dir: DataDirOption = None, as_json: JsonOption = False) -> None:
    """Check this machine and configuration; asks no upstream anything that costs money."""
    from jackfield.cli.diagnosis import diagnose

    overrides = given({"store.data_dir": data_dir})
    findings = asyncio.run(diagnose(find_config(config), overrides, os.environ))
    if as_json:
        print_json([{"check": f.check, "status": f.status, "detail": f.detail, "advice": f.advice} for f in findings])
    else:
        rows = [(f.status, f.check, f.detail, f.advice) for f in findings]
        print_table(("", "CHECK", "FOUND", "WHAT TO DO"), rows)
    if any(f.status == "fail" for f in findings):
        raise typer.Exit(1)
