"""The password file of the brokers that are ours, in Mosquitto's own format, made without its tools.

A line is `name:$7$<iterations>$<salt>$<PBKDF2-HMAC-SHA512>`, both in base64. Passwords are made here from 192 random
bits, so the hash needs no slowness; it keeps the file from being a list of secrets.
"""

import base64
import fcntl
import hashlib
import hmac
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from hub.broker.base import BrokerError

_ITERATIONS = 101  # Mosquitto's default, mosquitto_passwd(1)
_SALT_BYTES = 12  # what Mosquitto 2.0 demands
_HASH_PARTS = 5
_PASSWORD_BYTES = 24


def new_password() -> str:
    """A password nobody guesses, safe in files, shells and URLs."""
    return secrets.token_urlsafe(_PASSWORD_BYTES)


def hash_password(password: str, *, salt: bytes) -> str:
    """The hash as it stands in the file."""
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, _ITERATIONS)
    return f"$7${_ITERATIONS}${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"


def password_matches(password: str, hashed: str) -> bool:
    """Whether a password is the one that was hashed; False for a hash that cannot be read."""
    parts = hashed.split("$")
    if len(parts) != _HASH_PARTS or parts[1] != "7":
        return False
    try:
        salt, digest = base64.b64decode(parts[3]), base64.b64decode(parts[4])
        made = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, int(parts[2]))
    except ValueError:
        return False
    return hmac.compare_digest(made, digest)


def parse_password_file(text: str) -> dict[str, str]:
    """User names and their hashes."""
    pairs = (line.split(":", 1) for line in text.splitlines() if ":" in line)
    return {name: hashed.strip() for name, hashed in pairs}


class PasswordFile:
    """Who may connect. Several processes may change it; each change is whole or not there."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> dict[str, str]:
        """User names and their hashes; none where there is no file yet.

        Raises:
            BrokerError: the file cannot be read.
        """
        try:
            return parse_password_file(self.path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, UnicodeDecodeError) as error:
            raise BrokerError(
                f"password file {self.path}: {error}; run as the user who made the hub's folder"
            ) from error

    def put(self, username: str, password: str) -> None:
        """Let a user in with this password, and no longer with an earlier one.

        Raises:
            BrokerError: the file cannot be changed.
        """
        with self._changing():
            users = self.read()
            users[username] = hash_password(password, salt=secrets.token_bytes(_SALT_BYTES))
            self._write(users)

    def ensure(self, username: str, password: str) -> None:
        """As `put`, but leaves the file alone where it says so already.

        Raises:
            BrokerError: the file cannot be changed.
        """
        if not password_matches(password, self.read().get(username, "")):
            self.put(username, password)

    def remove(self, username: str) -> bool:
        """Let a user in no longer; whether there was one.

        Raises:
            BrokerError: the file cannot be changed.
        """
        with self._changing():
            users = self.read()
            known = users.pop(username, None) is not None
            if known:
                self._write(users)
            return known

    def stamp(self) -> tuple[int, int]:
        """Something that differs after each change."""
        try:
            status = self.path.stat()
        except FileNotFoundError:
            return (0, 0)
        return (status.st_mtime_ns, status.st_ino)

    @contextmanager
    def _changing(self) -> Iterator[None]:
        try:
            with self.path.with_suffix(".lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                yield
        except OSError as error:
            raise BrokerError(
                f"password file {self.path}: {error}; run as the user who made the hub's folder"
            ) from error

    def _write(self, users: Mapping[str, str]) -> None:
        text = "".join(f"{name}:{hashed}\n" for name, hashed in sorted(users.items()))
        fresh = self.path.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self.path)
