"""Setting up InfluxDB 2.x: organisation, buckets, DBRP mappings for InfluxQL, and tokens for exactly these buckets.

I1. Doing it again changes nothing; what is there is only ever given another retention, never removed.
I2. A secret goes to `keep`, which puts it into a file; none is told or logged.

Source: https://docs.influxdata.com/influxdb/v2/api/ (setup, orgs, buckets, dbrps, authorizations).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from hub.series.base import SeriesError
from hub.storage.server import RefusedError, Server
from hub.storage.wanted import Say, Wanted, told_retention

Json: TypeAlias = Any  # its shape is checked where it is taken apart, in this module

_NOT_FOUND: Final = 404
_UNAUTHORIZED: Final = 401
_RETENTION_POLICY: Final = "autogen"
ADMIN: Final = "sen-admin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """The account that a new server is handed to."""

    password: str
    token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NewToken:
    """A token that is wanted: whose it will be, what it may do with each bucket, and who puts it into a file."""

    owner: str
    actions: tuple[str, ...]
    keep: Callable[[str], None]


def check_unowned(server: Server) -> None:
    """Make sure that a server may be taken over.

    Raises:
        SeriesError: it has an owner already, or did not answer.
    """
    body = server.ask("GET", "/api/v2/setup")
    if not isinstance(body, dict) or not body.get("allowed"):
        raise SeriesError(
            f"{server.url} has an owner already: give its token with --admin-token-file instead of --onboard"
        )


def onboard(server: Server, *, org: str, wanted: Wanted, owner: Owner, say: Say) -> None:
    """Hand a server that nobody owns yet to `owner`.

    Raises:
        SeriesError: it did not do it.
    """
    bucket, seconds = next(iter(wanted.buckets().items()))
    server.ask(
        "POST",
        "/api/v2/setup",
        body={
            "username": ADMIN,
            "password": owner.password,
            "token": owner.token,
            "org": org,
            "bucket": bucket,
            "retentionPeriodSeconds": seconds,
        },
    )
    say(f"made user {ADMIN}, organisation {org} and bucket {bucket} ({told_retention(seconds)})")


def set_up(server: Server, *, org: str, wanted: Wanted, tokens: Sequence[NewToken], is_real: bool, say: Say) -> None:
    """Make what is missing and give what is there its retention.

    Args:
        server: asked with an administrator's token.
        org: the organisation's name.
        wanted: the buckets.
        tokens: those that are missing.
        is_real: False: only say what would be done.
        say: is told each change.

    Raises:
        SeriesError: the server did not do it; what was made before stays, and doing it again goes on from there.
    """
    org_id = _organisation(server, org, is_real=is_real, say=say)
    buckets = {
        name: _bucket(server, org_id, name, seconds, is_real=is_real, say=say)
        for name, seconds in wanted.buckets().items()
    }
    for name, bucket_id in buckets.items():
        _mapping(server, org_id, name, bucket_id, is_real=is_real, say=say)
    for token in tokens:
        may = " and ".join(f"{action}s" for action in token.actions)
        say(f"a new token for {token.owner} that {may} {', '.join(buckets)}, and nothing else")
        if is_real:
            token.keep(_new_token(server, org_id, buckets, token))


def opens(server: Server, wanted: Wanted) -> bool:
    """Whether the token of this server object sees every bucket.

    Raises:
        SeriesError: the server did not answer.
    """
    try:
        return all(_found(server, "/api/v2/buckets", {"name": name}, "buckets") for name in wanted.buckets())
    except RefusedError as refused:
        if refused.status == _UNAUTHORIZED:
            return False
        raise


def _organisation(server: Server, org: str, *, is_real: bool, say: Say) -> str | None:
    found = _found(server, "/api/v2/orgs", {"org": org}, "orgs")
    if found:
        return _id(found[0])
    say(f"made organisation {org}" if is_real else f"organisation {org}")
    return _id(server.ask("POST", "/api/v2/orgs", body={"name": org})) if is_real else None


def _bucket(server: Server, org_id: str | None, name: str, seconds: int, *, is_real: bool, say: Say) -> str | None:
    rules = [{"type": "expire", "everySeconds": seconds}]
    asked = {"name": name} | ({"orgID": org_id} if org_id else {})
    found = _found(server, "/api/v2/buckets", asked, "buckets") if org_id else []
    if not found:
        say(f"bucket {name}, {told_retention(seconds)}")
        body = {"orgID": org_id, "name": name, "retentionRules": rules}
        return _id(server.ask("POST", "/api/v2/buckets", body=body)) if is_real else None
    kept = next((int(rule.get("everySeconds", 0)) for rule in found[0].get("retentionRules") or ()), 0)
    if kept != seconds:
        say(f"bucket {name}: {told_retention(seconds)}, was {told_retention(kept)}")
        if is_real:
            server.ask("PATCH", f"/api/v2/buckets/{_id(found[0])}", body={"retentionRules": rules})
    return _id(found[0])


def _mapping(server: Server, org_id: str | None, name: str, bucket_id: str | None, *, is_real: bool, say: Say) -> None:
    """InfluxQL asks for databases: the bucket is one, under its own name."""
    found = _found(server, "/api/v2/dbrps", {"orgID": org_id, "db": name}, "content") if org_id and bucket_id else []
    own = [item for item in found if not item.get("virtual")]
    if any(item.get("bucketID") == bucket_id and item.get("default") for item in own):
        return
    if others := [item for item in own if item.get("bucketID") != bucket_id and item.get("default")]:
        raise SeriesError(
            f"{server.url}: database {name} is mapped to another bucket ({others[0].get('bucketID')}); "
            f"remove the mapping {others[0].get('id')} (influx v1 dbrp delete), or choose another --bucket"
        )
    say(f"database {name} for InfluxQL, mapped to the bucket")
    if is_real:
        body = {
            "orgID": org_id,
            "bucketID": bucket_id,
            "database": name,
            "retention_policy": _RETENTION_POLICY,
            "default": True,
        }
        server.ask("POST", "/api/v2/dbrps", body=body)


def _new_token(server: Server, org_id: str | None, buckets: Mapping[str, str | None], wanted: NewToken) -> str:
    permissions = [
        {"action": action, "resource": {"type": "buckets", "id": bucket_id, "orgID": org_id}}
        for bucket_id in buckets.values()
        for action in wanted.actions
    ]
    body = {"orgID": org_id, "description": f"{wanted.owner}: {', '.join(buckets)}", "permissions": permissions}
    made = server.ask("POST", "/api/v2/authorizations", body=body)
    token = made.get("token") if isinstance(made, dict) else None
    if not token:
        raise SeriesError(f"{server.url}: a token was made but not told; remove it (influx auth list) and run again")
    return str(token)


def _found(server: Server, path: str, params: Mapping[str, str], key: str) -> Sequence[Json]:
    """The things of this name; a server may say with 404 that there are none."""
    try:
        body = server.ask("GET", path, params=params)
    except RefusedError as refused:
        if refused.status == _NOT_FOUND and "not found" in str(refused):
            return []
        raise
    found = body.get(key) if isinstance(body, dict) else None
    if found is not None and not isinstance(found, list):
        raise SeriesError(f"{server.url}{path}: found {str(body)[:100]}, expected a list of {key}; is it InfluxDB 2.x?")
    return found or []


def _id(item: Json) -> str:
    try:
        return str(item["id"])
    except (KeyError, TypeError) as error:
        raise SeriesError(f"found {str(item)[:100]}, expected something with an id; is it InfluxDB 2.x?") from error
