"""From facts to causes: what is wrong, what shows it, and what to type or turn next. Pure.

I1. Every finding names the evidence it rests on, and a next step.
"""

from collections.abc import Iterator
from typing import Final

from edge.diagnosis.bus_findings import bus_findings
from edge.diagnosis.facts import GatewayFacts
from edge.diagnosis.finding import Cause, Finding

_FULL: Final = 0.8
_LEAST_FREE_BYTES: Final = 100 * 1024 * 1024
_BEFORE_ANY_GATEWAY_MS: Final = 1_735_689_600_000  # 2025-01-01: a clock that says less has not been set


def findings(facts: GatewayFacts) -> list[Finding]:
    """All that is wrong with a gateway, as far as was looked; the lines first, because all else hangs on them."""
    found = [finding for bus in facts.buses for finding in bus_findings(bus, facts)]
    return [*found, *gateway_findings(facts)]


def gateway_findings(facts: GatewayFacts) -> Iterator[Finding]:
    """What is wrong with the gateway itself."""
    if not facts.agent_runs:
        yield Finding(
            cause=Cause.AGENT_DOWN,
            where="agent",
            evidence="nobody answers at its socket",
            next_step=f"sudo systemctl start sen-edge, or sen-edge run {facts.config}",
        )
    if facts.broker_trouble is not None:
        yield Finding(
            cause=Cause.BROKER,
            where=facts.broker,
            evidence=facts.broker_trouble,
            next_step="readings wait in the spool: check the network (ping its host) and hub.broker in the file",
        )
    if facts.spool_bytes > _FULL * facts.spool_max_bytes:
        share = 100 * facts.spool_bytes / facts.spool_max_bytes
        yield Finding(
            cause=Cause.SPOOL_FULL,
            where="spool",
            evidence=f"{share:.0f} % of spool.max_mb is used",
            next_step="bring the link to the hub back, or raise spool.max_mb while the disk has room",
        )
    yield from _machine_findings(facts)


def _machine_findings(facts: GatewayFacts) -> Iterator[Finding]:
    if facts.disk_free_bytes < _LEAST_FREE_BYTES:
        yield Finding(
            cause=Cause.DISK_FULL,
            where="disk",
            evidence=f"{facts.disk_free_bytes // 1_000_000} MB are free where state_dir is",
            next_step="df -h shows what is full; sudo journalctl --vacuum-size=50M frees the journal",
        )
    if facts.now_ms < _BEFORE_ANY_GATEWAY_MS:
        yield Finding(
            cause=Cause.CLOCK_UNSET,
            where="clock",
            evidence="this machine believes it is before 2025",
            next_step="timedatectl shows why; connect the network, or sudo date -s 'YYYY-MM-DD HH:MM'",
        )
    elif facts.is_synchronised is False:
        yield Finding(
            cause=Cause.CLOCK_UNSET,
            where="clock",
            evidence="no time server has set it since the machine started",
            next_step="timedatectl shows why",
            is_fault=False,
        )
