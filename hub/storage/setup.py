"""`sen-hub storage setup`: the database, the secrets it needs, and the lines of `hub.yaml` that name it.

I1. A secret is in its file before anything relies on it, and stands in no output.
I2. Every step is told; with `dry_run` nothing is changed, neither at the server nor on disk.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Final

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap

from hub.config import CONFIG_NAME, ConfigError, HubFolder, SeriesKind, open_folder, replace_secret
from hub.levels.level import Level
from hub.series.base import SeriesError
from hub.storage import influx1, influx2
from hub.storage.server import Server
from hub.storage.wanted import Say, Wanted

TOKEN_FILE: Final = "secrets/influx.token"  # noqa: S105 - a file name
PASSWORD_FILE: Final = "secrets/influx.password"  # noqa: S105 - a file name
ADMIN_TOKEN_FILE: Final = "secrets/influx-admin.token"  # noqa: S105 - a file name
ADMIN_PASSWORD_FILE: Final = "secrets/influx-admin.password"  # noqa: S105 - a file name
_SECRET_BYTES: Final = 32


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
            lines = self._influx2() if self._request.kind is SeriesKind.INFLUXDB2 else self._influx1()
            self._settle_config(lines)
        except OSError as error:
            raise ConfigError(f"{error.filename}: {error.strerror}; the hub's user must be able to write it") from error

    def _influx2(self) -> dict[str, str]:
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
                    has_token=self._opens(TOKEN_FILE, lambda text: self._server(token=text), influx2.opens),
                    keep=None if asked.dry_run else lambda new: replace_secret(self._folder.file(TOKEN_FILE), new),
                    say=self._say,
                )
        finally:
            server.close()
        return {
            "kind": SeriesKind.INFLUXDB2.value,
            "url": asked.url,
            "org": asked.org,
            "bucket": asked.bucket,
            "token_file": TOKEN_FILE,
        }

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

    def _influx1(self) -> dict[str, str]:
        asked = self._request
        lines = {"kind": SeriesKind.INFLUXDB1.value, "url": asked.url, "bucket": asked.bucket}
        user, _, secret = (asked.admin or "").partition(":")
        admin = (user, secret) if secret else None
        server = self._server(user=admin)
        try:
            needs_user = self._asks_for_passwords()
            if needs_user and admin is None:
                raise SeriesError(
                    f"{asked.url} asks for passwords: give --admin-token-file FILE, with user:password in it"
                )
            password: str | None = None
            if needs_user and not self._opens(
                PASSWORD_FILE, lambda text: self._server(user=(influx1.USER, text)), influx1.opens
            ):
                password = secrets.token_urlsafe(_SECRET_BYTES)
            influx1.set_up(server, wanted=self._wanted, password=password, keep=self._keeper(password), say=self._say)
        finally:
            server.close()
        return lines | ({"username": influx1.USER, "password_file": PASSWORD_FILE} if needs_user else {})

    def _asks_for_passwords(self) -> bool:
        server = self._server()
        try:
            return influx1.asks_for_passwords(server)
        finally:
            server.close()

    def _keeper(self, password: str | None) -> Callable[[], None] | None:
        if self._request.dry_run:
            return None

        def keep() -> None:
            if password is not None:
                replace_secret(self._folder.file(PASSWORD_FILE), password)

        return keep

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

    def _settle_config(self, lines: dict[str, str]) -> None:
        path = self._folder.path / CONFIG_NAME
        before = path.read_text(encoding="utf-8")
        after = with_series(before, lines)
        if after == before:
            return
        self._say(f"{path}: series: {lines}")
        if not self._request.dry_run:
            new = path.with_name(f".{path.name}.new")
            new.write_text(after, encoding="utf-8")
            new.replace(path)
            open_folder(self._folder.path)  # its rules hold


def with_series(text: str, lines: dict[str, str]) -> str:
    """The text of a `hub.yaml` whose series stand where `lines` say; what else stands there, comments too, stays."""
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 4096
    tree = yaml.load(text) or CommentedMap()
    section = tree.get("series")
    if not isinstance(section, CommentedMap):
        section = tree["series"] = CommentedMap()
    if {key: value for key, value in section.items() if key != "retention"} == lines:
        return text
    for key in [key for key in section if key != "retention" and key not in lines]:
        del section[key]
    section.update(lines)
    written = StringIO()
    yaml.dump(tree, written)
    return written.getvalue()


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
