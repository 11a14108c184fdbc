"""What `sen-edge doctor` prints for a person. Pure."""

from collections.abc import Sequence

from edge.diagnosis.facts import GatewayFacts
from edge.diagnosis.finding import Finding
from edge.printed import wrapped


def finding_text(finding: Finding) -> str:
    """A cause, what shows it, and what to do."""
    head = f"{'FAULT' if finding.is_fault else 'note '} {finding.cause}: {finding.where}"
    return "\n".join(
        [
            *wrapped(head, indent=8),
            *wrapped(f"      seen: {finding.evidence}", indent=12),
            *wrapped(f"      next: {finding.next_step}", indent=12),
        ]
    )


def summary_text(facts: GatewayFacts, found: Sequence[Finding]) -> str:
    """What was looked at, and how many faults there are."""
    devices = sum(len(bus.devices) for bus in facts.buses)
    faults = sum(one.is_fault for one in found)
    how = "through the running agent" if facts.agent_runs else "by opening the lines"
    told = "no fault found" if not faults else f"{faults} fault{'s' if faults > 1 else ''} found"
    return "\n".join(wrapped(f"looked at {len(facts.buses)} buses and {devices} devices {how}: {told}", indent=2))
