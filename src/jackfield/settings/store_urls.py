"""What may be told of a store's URL, and what is wrong with it, without repeating what may be secret."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, urlsplit

POSTGRES_SCHEMES = ("postgresql", "postgres", "postgresql+asyncpg")
REDIS_SCHEMES = ("redis", "rediss", "unix")

_HOST = re.compile(r"(\[[^\]]*\]|[^:\[\]]*)(:\d+)?")
_NUMBER = re.compile(r"/?\d*")
_SECRET = ("password", "sslpassword")


def is_postgres(url: str) -> bool:
    return url.partition("://")[0] in POSTGRES_SCHEMES


def missing(extra: str) -> str:
    """With the command that installs it."""
    return f"this needs the extra `{extra}`: pip install 'jackfield[{extra}]'"


def place_of(url: str) -> str:
    """Scheme, hosts and path. Raises `ValueError` where a part of a password might be taken for something else."""
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ValueError("is not a URL") from None
    credentials, _, hosts = parts.netloc.rpartition("@")
    rest = parts.path + parts.query + parts.fragment
    if "@" in credentials + rest or parts.fragment or (parts.path.count("/") > 1 and parts.scheme != "unix"):
        raise ValueError("is not understood: in its user and password, write @ / ? # : % as %40 %2F %3F %23 %3A %25")
    if not all(_HOST.fullmatch(host) for host in hosts.split(",")):
        raise ValueError("has a port that is not a number")
    query = dict(parse_qsl(parts.query))
    if any(name in query for name in _SECRET):
        raise ValueError("has its password in the query: write it before the @")
    scheme = parts.scheme.partition("+")[0]
    return f"{scheme}://{hosts or query.get('host', '')}{parts.path}"


def redis_place_of(url: str) -> str:
    """Like `place_of`; raises `ValueError` for what is no Redis, too."""
    scheme, mark, _ = url.partition("://")
    if scheme not in REDIS_SCHEMES or not mark:
        raise ValueError("expected redis://host:port/number, rediss://… or unix:///path")
    place = place_of(url)
    if scheme != "unix" and not _NUMBER.fullmatch(urlsplit(url).path):
        raise ValueError("names its database by what is not a number")
    return place
