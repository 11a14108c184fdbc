"""`sen-hub storage setup`: the database, the secrets it needs, and the lines of `hub.yaml` that name it.

The hub's secret reads and writes; Grafana has one of its own that only reads.

I1. A secret is in its file before anything relies on it, and stands in no output.
I2. Every step is told; with `dry_run` nothing is changed, neither at the server nor on disk.
"""

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hub.config import CONFIG_NAME, ConfigError, HubFolder, SeriesKind, open_folder, replace_secret
from hub.levels.level import Level
from hub.series.base import SeriesError
from hub.storage import influx1, influx2
from hub.storage.hub_yaml import with_reader, with_series
from hub.storage.server import Server
from hub.storage.wanted import Say, Wanted

TOKEN_FILE: Final = "secrets/influx.token"  # noqa: S105 - a file name
PASSWORD_FILE: Final = "secrets/influx.password"  # noqa: S105 - a file name
READ_TOKEN_FILE: Final = "secrets/influx-read.token"  # noqa: S105 - a file name
READ_PASSWORD_FILE: Final = "secrets/influx-read.password"  # noqa: S105 - a file name
ADMIN_TOKEN_FILE: Final = "secrets/influx-admin.token"  # noqa: S105 - a file name
ADMIN_PASSWORD_FILE: Final = "secrets/influx-admin.password"  # noqa: S105 - a file name
_SECRET_BYTES: Final = 32
# What a setup put into `hub.yaml`: anything else there is a person's choice.
_OURS: Final = frozenset({
    TOKEN_FILE, READ_TOKEN_FILE, PASSWORD_FILE, READ_PASSWORD_FILE, influx1.USER, influx1.READER,
})  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a person asked for. `admin` is an administrator's token, for 1.x `user:password`."""

    kind: SeriesKind
    url: str
    org: str
    bucket: str
    admin: str | None = None
    is_onboarding: bool = False
    timeout_s: float = 30.0
    dry_run: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Lines:
    """What `hub.yaml` says of the database, to the hub and to Grafana."""

    series: dict[str, str]
    reader: dict[str, str]


class StorageSetup:
    """Brings a database and a hub's folder together.

    Args:
        folder: the hub's.
        request: what is asked for.
        days: for how many days each level is kept.
        say: is told each change, as it is made or would be.
    """

    def __init__(self, folder: HubFolder, request: Request, days: dict[Level, int | None], say: Say) -> None:
        self._folder = folder
        self._request = request
        self._wanted = Wanted(bucket=request.bucket, days=days)
        self._say = say

    def run(self) -> None:
        """Do it, or with `dry_run` say what would be done.

        Raises:
            SeriesError: the server did not do it, or did not answer.
            ConfigError: the folder cannot be written.
        """
        try:
            settle = self._influx2 if self._request.kind is SeriesKind.INFLUXDB2 else self._influx1
            self._settle_config(settle())
        except OSError as error:
            raise ConfigError(f"{error.filename}: {error.strerror}; the hub's user must be able to write it") from error

    def _influx2(self) -> _Lines:
        asked = self._request
        token = asked.admin or self._owner()
        server = self._server(token=token)
        try:
            if token is None:  # a dry run on a server that nobody owns
                self._say(f"user {influx2.ADMIN}, organisation {asked.org}, and all buckets of a new server")
            else:
                influx2.set_up(
                    server,
                    org=asked.org,
                    wanted=self._wanted,
                    tokens=[
                        *self._token("sen-hub", ("read", "write"), TOKEN_FILE),
                        *self._token("Grafana", ("read",), READ_TOKEN_FILE),
                    ],
                    is_real=not asked.dry_run,
                    say=self._say,
                )
        finally:
            server.close()
        place = {"kind": SeriesKind.INFLUXDB2.value, "url": asked.url, "org": asked.org, "bucket": asked.bucket}
        return _Lines(series=place | {"token_file": TOKEN_FILE}, reader={"read_token_file": READ_TOKEN_FILE})

    def _token(self, owner: str, actions: tuple[str, ...], name: str) -> Iterator[influx2.NewToken]:
        """The token that this file should hold, where it does not hold one that opens everything."""
        if not self._opens(name, lambda text: self._server(token=text), influx2.opens):
            yield influx2.NewToken(
                owner=owner, actions=actions, keep=lambda new: replace_secret(self._folder.file(name), new)
            )

    def _owner(self) -> str | None:
        """The token of an administrator: of a server taken over now or in an earlier run; None in a dry run."""
        path = self._folder.file(ADMIN_TOKEN_FILE)
        if not self._request.is_onboarding:
            raise SeriesError("found no administrator's token: --admin-token-file FILE, or --onboard for a new server")
        if path.is_file():
            return self._folder.secret(ADMIN_TOKEN_FILE)
        server = self._server()
        try:
            owner = influx2.Owner(
                password=secrets.token_urlsafe(_SECRET_BYTES), token=secrets.token_urlsafe(_SECRET_BYTES)
            )
            influx2.check_unowned(server)
            if self._request.dry_run:
                return None
            replace_secret(self._folder.file(ADMIN_PASSWORD_FILE), owner.password)
            replace_secret(path, owner.token)
            try:
                influx2.onboard(server, org=self._request.org, wanted=self._wanted, owner=owner, say=self._say)
            except SeriesError:
                path.unlink()
                raise
            self._say(f"made {path} and {self._folder.file(ADMIN_PASSWORD_FILE)}")
        finally:
            server.close()
        return owner.token

    def _influx1(self) -> _Lines:
        asked = self._request
        user, _, secret = (asked.admin or "").partition(":")
        admin = (user, secret) if secret else None
        server = self._server(user=admin)
        try:
            needs_user = self._asks_for_passwords()
            if needs_user and admin is None:
                raise SeriesError(
                    f"{asked.url} asks for passwords: give --admin-token-file FILE, with user:password in it"
                )
            users: list[influx1.NewPassword] = []
            if needs_user:
                users += self._password(influx1.USER, "ALL", PASSWORD_FILE)
                users += self._password(influx1.READER, "READ", READ_PASSWORD_FILE)
            influx1.set_up(server, wanted=self._wanted, users=users, is_real=not asked.dry_run, say=self._say)
        finally:
            server.close()
        series = {"kind": SeriesKind.INFLUXDB1.value, "url": asked.url, "bucket": asked.bucket}
        if not needs_user:
            return _Lines(series=series, reader={})
        return _Lines(
            series=series | {"username": influx1.USER, "password_file": PASSWORD_FILE},
            reader={"read_username": influx1.READER, "read_password_file": READ_PASSWORD_FILE},
        )

    def _password(self, user: str, right: str, name: str) -> Iterator[influx1.NewPassword]:
        """The password that this file should hold, where it does not hold one that opens everything."""
        if not self._opens(name, lambda text: self._server(user=(user, text)), influx1.opens):
            password = secrets.token_urlsafe(_SECRET_BYTES)
            yield influx1.NewPassword(
                user=user,
                right=right,
                password=password,
                keep=lambda: replace_secret(self._folder.file(name), password),
            )

    def _asks_for_passwords(self) -> bool:
        server = self._server()
        try:
            return influx1.asks_for_passwords(server)
        finally:
            server.close()

    def _opens(self, name: str, server_with: Callable[[str], Server], opens: Callable[[Server, Wanted], bool]) -> bool:
        """Whether the secret of an earlier run still opens everything."""
        if not self._folder.file(name).is_file():
            return False
        server = server_with(self._folder.secret(name))
        try:
            return opens(server, self._wanted)
        finally:
            server.close()

    def _server(self, *, token: str | None = None, user: tuple[str, str] | None = None) -> Server:
        return Server(self._request.url, timeout_s=self._request.timeout_s, token=token, user=user)

    def _settle_config(self, lines: _Lines) -> None:
        path = self._folder.path / CONFIG_NAME
        before = path.read_text(encoding="utf-8")
        hub_named = with_series(before, lines.series)
        after = with_reader(hub_named, lines.reader, ours=_OURS)
        if after == before:
            return
        if hub_named != before:
            self._say(f"{path}: series: {lines.series}")
        if after != hub_named:
            self._say(f"{path}: grafana: {lines.reader}")
        if not self._request.dry_run:
            new = path.with_name(f".{path.name}.new")
            new.write_text(after, encoding="utf-8")
            new.replace(path)
            open_folder(self._folder.path)  # its rules hold


def secret_in(path: Path) -> str:
    """What stands in a file that a person names.

    Raises:
        ConfigError: it cannot be read, or is empty.
    """
    try:
        text = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}; name the file that holds the secret") from error
    if not text:
        raise ConfigError(f"{path}: found nothing, expected one line with the secret")
    return text
