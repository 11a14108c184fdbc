"""What an alert rule is before it is Grafana's JSON. Pure data.

I1. A rule says what is the matter, why probably, what to do, and which panel shows it.
I2. A simulated or exercise value alarms nobody: rules take real modes only.
I3. One dead gateway is one alert: what hangs on a gateway is judged only while the gateway is there (`$B == 1`), and
    all alerts of one gateway go out as one notification (`grafana.alerting`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from grafana.influxql import Query
from grafana.texts import Text

# The label that marks what is ours: routing and deletion look at nothing else.
ORIGIN: Final = "origin"
OURS: Final = "sen"


class Severity(StrEnum):
    """How soon a person must act."""

    CRITICAL = "critical"  # now, at night too
    WARNING = "warning"  # this shift
    NOTICE = "notice"  # this week


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """Where the alert can be seen: a dashboard, and the title of one of its panels in English."""

    uid: str
    panel: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule.

    `queries` are asked each minute over the last `span_s`; the newest value of each series of query A goes, as `$A`,
    into
    `when`, an expression of Grafana's (`$A > 0 && $B == 1`) that is 1 where it fires. Query B is matched to A by the
    labels that both have. No data means no alarm, but where `alarms_without_data`: silence has rules of its own.
    """

    uid: str
    title: Text
    severity: Severity
    queries: Sequence[Query]
    when: str
    lasting: str
    summary: Text
    cause: Text
    action: Text
    shown: Shown
    span_s: int = 600
    alarms_without_data: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A group of rules that are judged together, each minute."""

    name: str
    rules: Sequence[Rule]
