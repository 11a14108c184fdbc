"""Setting up InfluxDB 1.x: databases, their retention, and where it asks for passwords users for exactly these.

I1. Doing it again changes nothing; what is there is only ever given another retention, never removed.
I2. A secret goes to `keep`, which puts it into a file; none is told or logged.

Source: https://docs.influxdata.com/influxdb/v1/ (query_language/manage-database, administration/authentication).
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from hub.series.base import SeriesError
from hub.storage.server import RefusedError, Server
from hub.storage.wanted import Say, Wanted, told_retention

USER: Final = "sen"
READER: Final = "sen-read"
_RIGHTS: Final = {"ALL": "reads and writes", "READ": "reads"}
_POLICY: Final = "autogen"
_UNAUTHORIZED: Final = 401
_SPAN: Final = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPassword:
    """A user who is made with this password, or given it; `right` is InfluxQL's, over each database.

    `keep` is called once the user has it.
    """

    user: str
    right: str
    password: str
    keep: Callable[[], None]


def asks_for_passwords(server: Server) -> bool:
    """Whether this server, asked without a user, wants one.

    Raises:
        SeriesError: it did not answer.
    """
    try:
        _do(server, "SHOW DATABASES")
    except RefusedError as refused:
        if refused.status == _UNAUTHORIZED:
            return True
        raise
    return False


def set_up(server: Server, *, wanted: Wanted, users: Sequence[NewPassword], is_real: bool, say: Say) -> None:
    """Make what is missing and give what is there its retention.

    Args:
        server: asked as an administrator.
        wanted: the databases.
        users: those who are missing, or whose password is not known any more.
        is_real: False: only say what would be done.
        say: is told each change.

    Raises:
        SeriesError: the server did not do it; what was made before stays.
    """
    there = {row[0] for row in _do(server, "SHOW DATABASES")}
    for name, seconds in wanted.buckets().items():
        if name not in there:
            say(f"database {name}, {told_retention(seconds)}")
            if is_real:
                _do(server, f"CREATE DATABASE {_quoted(name)}")
                _retain(server, name, seconds)
        elif (kept := _kept_s(server, name)) != seconds:
            say(f"database {name}: {told_retention(seconds)}, was {told_retention(kept)}")
            if is_real:
                _retain(server, name, seconds)
    for user in users:
        _user(server, wanted, user, is_real=is_real, say=say)


def opens(server: Server, wanted: Wanted) -> bool:
    """Whether the user of this server object sees every database.

    Raises:
        SeriesError: the server did not answer.
    """
    try:
        seen = {row[0] for row in _do(server, "SHOW DATABASES")}
    except RefusedError as refused:
        if refused.status == _UNAUTHORIZED:
            return False
        raise
    return set(wanted.buckets()) <= seen


def _user(server: Server, wanted: Wanted, new: NewPassword, *, is_real: bool, say: Say) -> None:
    users = {row[0] for row in _do(server, "SHOW USERS")}
    may = _RIGHTS[new.right]
    say(f"user {new.user} with a new password, who {may} {', '.join(wanted.buckets())}, and nothing else")
    if not is_real:
        return
    # The password is of our own making: letters, digits, - and _.
    if new.user in users:
        _do(server, f"SET PASSWORD FOR {_quoted(new.user)} = '{new.password}'")
    else:
        _do(server, f"CREATE USER {_quoted(new.user)} WITH PASSWORD '{new.password}'")
    for name in wanted.buckets():
        _do(server, f"GRANT {new.right} ON {_quoted(name)} TO {_quoted(new.user)}")
    new.keep()


def _retain(server: Server, name: str, seconds: int) -> None:
    duration = f"{seconds}s" if seconds else "INF"
    _do(server, f"ALTER RETENTION POLICY {_quoted(_POLICY)} ON {_quoted(name)} DURATION {duration} DEFAULT")


def _kept_s(server: Server, name: str) -> int:
    for policy, duration, *_ in _do(server, f"SHOW RETENTION POLICIES ON {_quoted(name)}"):
        if policy == _POLICY and (told := _SPAN.match(duration)) is not None:
            hours, minutes, seconds = (int(part or 0) for part in told.groups())
            return hours * 3600 + minutes * 60 + seconds
    raise SeriesError(
        f"{server.url}: database {name} has no retention policy {_POLICY}; "
        f'make one (CREATE RETENTION POLICY "{_POLICY}" ON "{name}" DURATION INF REPLICATION 1), '
        "or choose another --bucket"
    )


def _do(server: Server, statement: str) -> list[list[Any]]:
    """The rows of a statement's answer."""
    body = server.ask("POST", "/query", form={"q": statement})
    try:
        result = body["results"][0]
        if "error" in result:
            # A statement may hold a password: only its first words are told.
            told = " ".join(statement.split()[:3])
            raise SeriesError(f"{server.url}: {told}: {result['error']}; use an administrator (--admin-token-file)")
        return [row for table in result.get("series", ()) for row in table.get("values", ())]
    except (KeyError, IndexError, TypeError) as error:
        raise SeriesError(f"{server.url}/query: found {str(body)[:100]}; is it InfluxDB 1.x?") from error


def _quoted(name: str) -> str:
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
