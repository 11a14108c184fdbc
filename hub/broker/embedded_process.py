"""The embedded broker's process: amqtt, with users and topics guarded by our rules.

Run as ``python -m hub.broker.embedded_process CONFIG.json``. SIGHUP drops connections whose user is gone; it ends with
its standard input, so a killed hub leaves no broker behind.
"""

import asyncio
import json
import logging
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from amqtt.broker import Broker
from amqtt.contexts import Action, BaseContext
from amqtt.plugins.base import BaseAuthPlugin, BaseTopicPlugin
from amqtt.session import Session

from hub.broker.base import may_publish, may_read
from hub.broker.passwords import PasswordFile, password_matches


class Gatekeeper(BaseAuthPlugin, BaseTopicPlugin):  # type: ignore[misc]  # amqtt ships no types
    """Lets in whom the password file names, and only to the topics a gateway may use."""

    @dataclass
    class Config:
        """What the broker's configuration says to this plugin."""

        users_file: str

    def __init__(self, context: BaseContext) -> None:
        super().__init__(context)
        self._users = PasswordFile(Path(self.config.users_file))
        # Read again when the file has changed.
        self._stamp = (-1, -1)
        self._hashes: dict[str, str] = {}

    async def authenticate(self, *, session: Session) -> bool | None:
        """Whether the user's password is right and its last will is for a topic it may write."""
        name, password = session.username or "", session.password or ""
        if not is_known(self._present_hashes(), name, password):
            return False
        return not session.will_topic or may_publish(name, str(session.will_topic))

    async def topic_filtering(
        self, *, session: Session | None = None, topic: str | None = None, action: Action | None = None
    ) -> bool | None:
        """Whether the user may write or read there."""
        if session is None or topic is None:
            return False
        name = session.username or ""
        return may_publish(name, topic) if action == Action.PUBLISH else may_read(name, topic)

    def _present_hashes(self) -> dict[str, str]:
        stamp = self._users.stamp()
        if stamp != self._stamp:
            self._stamp, self._hashes = stamp, self._users.read()
        return self._hashes


def is_known(hashes: dict[str, str], name: str, password: str) -> bool:
    """Whether this user may connect with this password."""
    return password_matches(password, hashes.get(name, ""))


async def _drop_strangers(broker: Broker, users: PasswordFile) -> None:
    hashes = users.read()
    for session, handler in list(broker.sessions.values()):
        if not is_known(hashes, session.username or "", session.password or ""):
            await handler.handle_connection_closed()


async def _serve(configuration: dict[str, Any]) -> None:  # Any: amqtt's own configuration
    users = PasswordFile(Path(configuration["plugins"]["hub.broker.embedded_process.Gatekeeper"]["users_file"]))
    loop = asyncio.get_running_loop()
    ended, changed = asyncio.Event(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, ended.set)
    loop.add_signal_handler(signal.SIGHUP, changed.set)
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    broker = Broker(configuration)
    await broker.start()
    async with asyncio.TaskGroup() as tasks:
        waiters = (tasks.create_task(_until_end(reader, ended)), tasks.create_task(_on_change(broker, users, changed)))
        await ended.wait()
        for waiter in waiters:
            waiter.cancel()
    await broker.shutdown()


async def _until_end(reader: asyncio.StreamReader, ended: asyncio.Event) -> None:
    await reader.read()
    ended.set()


async def _on_change(broker: Broker, users: PasswordFile, changed: asyncio.Event) -> None:
    while True:
        await changed.wait()
        changed.clear()
        await _drop_strangers(broker, users)


def main() -> None:
    """Serve until SIGTERM or the end of standard input."""
    logging.basicConfig(level=logging.ERROR, format="%(asctime)s %(name)s %(message)s")
    asyncio.run(_serve(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))))


if __name__ == "__main__":
    main()
