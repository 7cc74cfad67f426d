"""Which files the process reaches: those that are named, for reading or for writing, and no others."""

from __future__ import annotations

import ctypes
import os
import stat
from collections.abc import Iterable

from .kernel import syscall

_CREATE, _ADD_RULE, _RESTRICT = 444, 445, 446
_VERSION = 1
_PATH_BENEATH = 1

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1, 2, 4, 8
_REFER, _TRUNCATE, _IOCTL = 1 << 13, 1 << 14, 1 << 15
_FIRST = (1 << 13) - 1
_FOR_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL
_READ = _READ_FILE | _READ_DIR
_REMOVE_DIR, _REMOVE_FILE, _MAKE_DIR, _MAKE_REG, _MAKE_SYM = 1 << 4, 1 << 5, 1 << 7, 1 << 8, 1 << 12
_MAKE_SOCK = 1 << 9
# To make all but devices, sockets and pipes.
_WRITE = _READ | _WRITE_FILE | _REMOVE_DIR | _REMOVE_FILE | _MAKE_DIR | _MAKE_REG | _MAKE_SYM | _REFER | _TRUNCATE
_NET = 0b11
_SCOPES = 0b11


class _Ruleset(ctypes.Structure):
    _fields_ = (("fs", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


def restrict(read: Iterable[str], run: Iterable[str], write: Iterable[str], sockets: bool = False) -> None:
    """Needs `no_new_privs`. Raises `OSError` where the kernel has no Landlock. Paths that do not exist are left out.

    From version 4 of it on also no TCP, from version 6 on no signal to, and no abstract socket of, others.
    """
    version = syscall(_CREATE, None, 0, _VERSION)
    handled = _handled(version)
    written = _WRITE | _MAKE_SOCK if sockets else _WRITE
    rules = _Ruleset(handled, _NET if version >= 4 else 0, _SCOPES if version >= 6 else 0)
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    ruleset = syscall(_CREATE, ctypes.byref(rules), size, 0)
    try:
        for access, paths in ((_READ, read), (_READ | _EXECUTE, run), (written, write)):
            for path in paths:
                _allow(ruleset, access & handled, path)
        syscall(_RESTRICT, ruleset, 0)
    finally:
        os.close(ruleset)


def _handled(version: int) -> int:
    handled = _FIRST
    for since, right in ((2, _REFER), (3, _TRUNCATE), (5, _IOCTL)):
        if version >= since:
            handled |= right
    return handled


def _allow(ruleset: int, access: int, path: str) -> None:
    try:
        parent = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except (FileNotFoundError, PermissionError):
        return
    try:
        if not stat.S_ISDIR(os.fstat(parent).st_mode):
            access &= _FOR_FILES
        rule = _PathBeneath(access, parent)
        syscall(_ADD_RULE, ruleset, _PATH_BENEATH, ctypes.byref(rule), 0)
    finally:
        os.close(parent)
