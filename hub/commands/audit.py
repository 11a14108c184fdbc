"""Hold the series store against the ledger, now."""

import json
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from hub.commands.asking import AsJson, Folder, fail, tell

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def audit(
    folder: Folder,
    day: Annotated[
        datetime | None, typer.Option("--day", formats=["%Y-%m-%d"], help="This UTC day only; default: the last seven.")
    ] = None,
    repair: Annotated[
        bool, typer.Option("--repair", help="After the ledger was lost or restored: count anew what can be proved.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Count each gateway's rows by day in the series store against the ledger. Exit code 1 where rows are missing.

    The hub is running, and does the same every night.

    --repair believes the rows that are there, and calls unexplained records stored where as many rows prove it. It
    cannot know which records a missing row belonged to, nor bring back a value.
    """
    from hub.clock import SystemClock

    today = SystemClock().now_ms() // 86_400_000
    first, last = (today - 7, today) if day is None else ((day.replace(tzinfo=UTC) - _EPOCH).days,) * 2
    found = tell(folder, "/audit", first_day=first, last_day=last, repair=int(repair))
    differing = [one for one in found["days"] if one["stored"] != one["rows"]]
    if as_json:
        print(json.dumps(found, indent=1))
    else:
        for line in found["repaired"]:
            print(line)
        for one in differing:
            told = f"{one['stored'] - one['rows']} missing" if one["stored"] > one["rows"] else "more rows than records"
            name = (_EPOCH + timedelta(days=one["day"])).date().isoformat()
            print(f"{one['gateway']:20} {name}  ledger {one['stored']:>10}  rows {one['rows']:>10}  {told}")
        checked = sum(one["stored"] for one in found["days"])
        print(f"{checked} records checked on {len(found['days'])} days of gateways, {len(differing)} differ")
    if any(one["stored"] > one["rows"] for one in differing):
        fail("rows that the ledger calls stored are missing in the series store")
