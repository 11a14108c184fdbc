"""One gateway's messages are worked on once at a time, those of others meanwhile; and who must be alone is alone."""

import asyncio

from hub.clock import SystemClock
from hub.ingest.inbox import Inbox, Message
from hub.ingest.turns import Turns
from wire.identifiers import GatewayId


async def rest() -> None:
    """Others have their turn."""
    await SystemClock().sleep(0)


def message(gateway: str, payload: bytes = b"x") -> Message:
    return Message(GatewayId(gateway), f"sen/1/up/{gateway}/batch", payload)


async def test_a_gateway_s_messages_wait_while_others_of_it_are_worked_on() -> None:
    inbox = Inbox(messages=100, payload_bytes=1000)
    first, second, other = message("a", b"1"), message("a", b"2"), message("b", b"3")
    for one in (first, second, other):
        inbox.put(one)
    assert await inbox.take(most=1, most_bytes=100) == [first]
    assert await inbox.take(most=9, most_bytes=100) == [other]
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(inbox.take(most=9, most_bytes=100))
        await rest()
        assert not waiting.done()
        inbox.done([other])
        inbox.put(message("a", b"4"))
        await rest()
        assert not waiting.done()
        inbox.done([first])
    assert [one.payload for one in waiting.result()] == [b"2", b"4"]
    assert inbox.messages == 2


async def test_messages_are_taken_in_order_within_the_bytes_and_one_at_least() -> None:
    inbox = Inbox(messages=100, payload_bytes=1000)
    for number in range(5):
        inbox.put(message(f"g{number}", bytes(40)))
    assert [one.gateway for one in await inbox.take(most=9, most_bytes=100)] == ["g0", "g1"]
    assert [one.gateway for one in await inbox.take(most=9, most_bytes=10)] == ["g2"]
    assert [one.gateway for one in await inbox.take(most=1, most_bytes=100)] == ["g3"]


async def test_who_is_alone_is_with_nobody_and_nobody_enters_meanwhile() -> None:
    turns = Turns()
    inside: set[str] = set()
    seen: list[set[str]] = []

    async def work(name: str, *, alone: bool) -> None:
        async with turns.alone() if alone else turns.together():
            inside.add(name)
            await rest()
            seen.append(set(inside))
            await rest()
            inside.discard(name)

    names = ("a", "b", "alone", "c", "d")
    async with asyncio.TaskGroup() as tasks:
        for name in names:
            tasks.create_task(work(name, alone=name == "alone"))
    assert {"alone"} in seen
    assert all(len(some) == 1 for some in seen if "alone" in some)
    assert {"a", "b"} in seen
