"""Each MQTT topic between gateway and hub: one function builds it, one parses it.

Layout: ``sen/1/<up|dn>/<gateway>/<leaf>``; `1` is the version of the contract.
"""

from enum import StrEnum

from wire.errors import WireError
from wire.identifiers import GatewayId, check_identifier

_LEVELS = 5
ROOT = "sen/1"


class Up(StrEnum):
    """What a gateway says."""

    BATCH = "batch"
    STATUS = "status"
    INVENTORY = "inventory"
    REPLY = "reply"


class Down(StrEnum):
    """What the hub says to one gateway."""

    COMMIT = "commit"
    DESIRED = "desired"
    COMMAND = "command"


def up_topic(gateway: GatewayId, leaf: Up) -> str:
    """The topic a gateway publishes on."""
    return f"{ROOT}/up/{check_identifier(gateway, what='gateway')}/{leaf}"


def down_topic(gateway: GatewayId, leaf: Down) -> str:
    """The topic the hub publishes on for one gateway."""
    return f"{ROOT}/dn/{check_identifier(gateway, what='gateway')}/{leaf}"


def up_filter(leaf: Up) -> str:
    """The subscription that hears this of every gateway."""
    return f"{ROOT}/up/+/{leaf}"


def shared_up_filter(leaf: Up) -> str:
    """The subscription of which each of several hubs hears its share (MQTT 5)."""
    return f"$share/ingest/{up_filter(leaf)}"


def down_filter(gateway: GatewayId) -> str:
    """The subscription of one gateway for everything said to it."""
    return f"{ROOT}/dn/{check_identifier(gateway, what='gateway')}/#"


def parse_up(topic: str) -> tuple[GatewayId, Up]:
    """The gateway that speaks, and what it says.

    Raises:
        WireError: not a topic of the up direction.
    """
    gateway, leaf = _parse(topic, direction="up")
    if leaf not in set(Up):
        raise WireError(f"topic {topic!r}: expected one of {', '.join(Up)} at the end")
    return gateway, Up(leaf)


def parse_down(topic: str) -> tuple[GatewayId, Down]:
    """The gateway spoken to, and what is said.

    Raises:
        WireError: not a topic of the down direction.
    """
    gateway, leaf = _parse(topic, direction="dn")
    if leaf not in set(Down):
        raise WireError(f"topic {topic!r}: expected one of {', '.join(Down)} at the end")
    return gateway, Down(leaf)


def _parse(topic: str, *, direction: str) -> tuple[GatewayId, str]:
    levels = topic.split("/")
    if len(levels) != _LEVELS or levels[:3] != [*ROOT.split("/"), direction]:
        raise WireError(f"topic {topic!r}: expected {ROOT}/{direction}/<gateway>/<leaf>")
    return GatewayId(check_identifier(levels[3], what="gateway")), levels[4]
