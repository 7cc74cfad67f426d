"""The `jackfield` command. Exit codes: 0 done, 1 failed with one clear message on stderr, 2 wrong usage."""

from __future__ import annotations

import gc
import sys
from collections.abc import Sequence

from jackfield.errors import JackfieldError

FAILED = 1
INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code. What is imported here is paid by every command."""
    if argv is None:
        _spare_collector()
    from jackfield.cli.application import command

    try:
        command().main(args=list(argv) if argv is not None else None, prog_name="jackfield")
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    except JackfieldError as error:
        return _fail(str(error))
    except Exception as error:  # noqa: BLE001 - the last boundary: a user gets a line, whatever broke
        return _fail(f"internal error: {type(error).__name__}: {error} ({_place(error)})")
    return 0


def _spare_collector() -> None:
    """What is imported stays as long as the process; to look at it again and again while more comes is a fifth of the
    time that it takes."""
    gc.set_threshold(20_000, 20, 50)


def _fail(message: str) -> int:
    from jackfield.cli.output import escape_controls
    from jackfield.telemetry.masking import masked

    sys.stderr.write(f"jackfield: {escape_controls(masked(message))}\n")
    return FAILED


def _place(error: BaseException) -> str:
    at = error.__traceback__
    while at is not None and at.tb_next is not None:
        at = at.tb_next
    return f"{at.tb_frame.f_code.co_filename}:{at.tb_lineno}" if at else "place unknown"
