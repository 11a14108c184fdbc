"""How long it takes from a device's answer to the hub's commit, with batches every second and a real InfluxDB 1.x.

The load of `bench/gateway_load.py`: the real agent with 50 Modbus TCP devices, the hub's own Mosquitto, the whole hub.
A reading waits for the spool's group commit (60 records or 1 s) and for the next batch (1 s); what the hub adds is
the difference between the broker's having the batch and the gateway's hearing the commit. Beside InfluxDB, the same
with the embedded store. Run from the top: `python -m bench.delay [--seconds 30]`.
"""

import argparse
import asyncio
import tempfile
from pathlib import Path

from bench.gateway_load import SHARES, Facts, measured_agent
from tests.support.influxd import InfluxServer

WARM_S = 20.0


def shown(name: str, facts: Facts) -> str:
    """Two rows."""
    rows = [
        f"  {name:<10}{text:<24}" + "".join(f"{facts[f'{key}_p{share}_s']:>9.3f}" for share in SHARES)
        for text, key in (("read to broker", "heard"), ("read to committed", "committed"))
    ]
    return "\n".join(rows)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0)
    given = parser.parse_args()
    print(f"  {'':<34}" + "".join(f"{f'p{share}, s':>9}" for share in SHARES))
    with tempfile.TemporaryDirectory(prefix="sen-delay-") as place:
        (Path(place) / "influx").mkdir()
        server = InfluxServer(program="influxd", folder=Path(place) / "influx")
        try:
            series = f'series: {{kind: influxdb1, url: "{server.url}", bucket: sen}}\n'
            (Path(place) / "a").mkdir()
            facts = asyncio.run(measured_agent(Path(place) / "a", given.seconds, WARM_S, series=series))
            print(shown("InfluxDB", facts))
        finally:
            server.stop()
        (Path(place) / "b").mkdir()
        print(shown("embedded", asyncio.run(measured_agent(Path(place) / "b", given.seconds, WARM_S))))


if __name__ == "__main__":
    main()
