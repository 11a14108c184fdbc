"""What is lost on the way to the database when everything on it is killed: Sen, and a QoS 1 publisher.

Both read the same counting devices by Modbus TCP and end in the same InfluxDB, through a Mosquitto that saves its
sessions and messages every second (`bench/naive_parts.py` says what the rival does). Both suffer the same kills,
freezes and bad lines, drawn from one seed; the broker's files are never wiped. Then both may deliver what they hold.

A reading was promised when the rival's broker acknowledged it, when Sen's spool accepted it. Exit code 1 where Sen
has broken a promise.
"""

import argparse
import random
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.support.delivery_chain import (
    BROKER,
    DATABASE,
    GATEWAY_BROKER,
    HUB_BROKER,
    HUB_DATABASE,
    ROOT,
    ChainGateway,
    ChainPlan,
    DeliveryChain,
    Programs,
)
from tests.support.evidence import answer_of
from tests.support.mishaps import Deed, Mishap, Paces, mishaps
from tests.support.processes import Program, pause, wait_until

PLAN = ChainPlan(gateways=2, devices=10, rtu_units=0)
PACES = Paces(away_s=0.8, after_s=(0.5, 2.0))
SEED = 20261123
AT_REST_S = 10
WITHIN_S = 180.0
PATH = "/usr/bin:/usr/sbin:/usr/local/bin:/usr/local/sbin"
HEADS = ("answered", "promised", "promised, not stored", "stored twice", "answered, not stored")


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of the readings of one way: all in answers of devices."""

    answered: int
    promised: int
    broken: int
    doubled: int
    stored: int


class NaiveChain(DeliveryChain):
    """The same chain with the rival's two ends."""

    def _made_gateway(self, number: int) -> ChainGateway:
        name = f"gw-{number + 1}"
        folder = self.folder / name
        folder.mkdir()
        given = {
            "gateway": name,
            "field": self.field.tcp_port,
            "first": number * self.plan.devices + 1,
            "devices": self.plan.devices,
            "every": self.plan.every_s,
            "noted": folder / "noted",
        }
        command = ["publish", *(word for key, value in given.items() for word in (f"--{key}", str(value)))]
        program = self._part(GATEWAY_BROKER, folder, command)
        return ChainGateway(name=name, program=program, door=folder / "noted", units=self.units_of(number))

    def _made_centre(self) -> Program:
        folder = self.folder / "store"
        folder.mkdir()
        return self._part(HUB_BROKER, folder, ["store", "--database", str(self.lines[HUB_DATABASE].port)])

    def _part(self, line: str, folder: Path, command: list[str]) -> Program:
        broker = ["--broker", str(self.lines[line].port)]
        return Program([sys.executable, "-m", "bench.naive_parts", *broker, *command], folder / "log", ROOT)

    def _works(self, process: str) -> bool:
        return process not in {BROKER, DATABASE} or super()._works(process)  # the ends of the way start at once

    def _centre_works(self) -> bool:
        return self.centre.runs

    def delivers(self) -> bool:
        """Whether something of each gateway has come all the way."""
        return all(self.count(gateway) for gateway in self.gateways)

    def count(self, gateway: ChainGateway) -> int:
        """How many rows of a gateway are stored."""
        return sum(len(self.rows(gateway.name, device)) for device in gateway.units)

    def rest(self, *, within_s: float) -> None:
        """Stop the publishers when the broker has all they hold; then nothing may come for a while."""
        for gateway in self.gateways:
            gateway.program.stop(within_s=within_s)
        before = -1
        while (now := sum(self.count(gateway) for gateway in self.gateways)) > before:
            before = now
            pause(AT_REST_S)

    def outcome(self) -> Outcome:
        """What was acknowledged against what is stored."""
        promised = {
            (gateway.name, device, int(answer))
            for gateway in self.gateways
            for device, answer in (line.split() for line in gateway.door.read_text().splitlines())
        }
        rows = [
            (gateway.name, device, answer_of(row))
            for gateway in self.gateways
            for device in gateway.units
            for row in self.rows(gateway.name, device)
        ]
        stored = set(rows)
        return Outcome(
            answered=self.field.answers,
            promised=len(promised),
            broken=len(promised - stored),
            doubled=len(rows) - len(stored),
            stored=len(stored),
        )


class SenChain(DeliveryChain):
    """Sen, seen in the same way."""

    def outcome(self) -> Outcome:
        """What was accepted against what is stored, by the hub's accounts and the database's rows."""
        verdict = self.verdict()
        accepted = sum(int(self.accounts(gateway)["accepted"]) for gateway in self.gateways)
        return Outcome(
            answered=self.field.answers,
            promised=accepted,
            broken=accepted - verdict.rows + len(verdict.wrong) + verdict.lacking,
            doubled=len(verdict.doubled),
            stored=verdict.good,
        )


def installed() -> Programs:
    """Where the programs of others are."""
    programs = [shutil.which(name, path=PATH) for name in ("mosquitto", "influxd")]
    assert all(programs), "mosquitto and influxd are not installed: run `make setup`"
    return Programs(*map(str, programs))


def free_port() -> int:
    """A free TCP port on loopback."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def suffered(chain: NaiveChain | SenChain, *, kills: int, seed: int) -> Outcome:
    """What is left after the mishaps."""
    with chain:
        wait_until("both gateways deliver", chain.delivers, within_s=60)
        left = kills
        for mishap in drawn(chain, seed):
            if not left:
                break
            left -= mishap.deed is Deed.KILL
            chain.suffer(mishap)
        chain.rest(within_s=WITHIN_S)
        return chain.outcome()


def drawn(chain: DeliveryChain, seed: int) -> Iterator[Mishap]:
    """The same mishaps for the same seed."""
    return mishaps(
        random.Random(seed),  # noqa: S311 - the same each time
        processes=list(chain.processes),
        forgetful=None,
        lines=list(chain.lines),
        paces=PACES,
    )


def main() -> int:
    """Print both; 1 where Sen broke a promise."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=40)
    parser.add_argument("--seed", type=int, default=SEED)
    given = parser.parse_args()
    parts = installed()
    with tempfile.TemporaryDirectory(prefix="sen-naive-") as name:
        chains: dict[str, NaiveChain | SenChain] = {
            "Sen": SenChain(PLAN, Path(name) / "sen", parts, free_port=free_port),
            "QoS 1 publisher": NaiveChain(PLAN, Path(name) / "naive", parts, free_port=free_port),
        }
        found = {who: suffered(chain, kills=given.kills, seed=given.seed) for who, chain in chains.items()}
    print(f"{given.kills} kills of {PLAN.gateways} gateways, centre, broker and database, with freezes and bad lines")
    first = f"seed {given.seed}"
    print(f"{first:<18}" + "".join(f"{head:>22}" for head in HEADS))
    for who, one in found.items():
        share = f"{one.broken} ({100 * one.broken / one.promised:.2f} %)"
        shown = (one.answered, one.promised, share, one.doubled, one.answered - one.stored)
        print(f"{who:<18}" + "".join(f"{value:>22}" for value in shown))
    is_broken = bool(found["Sen"].broken or found["Sen"].doubled)
    print("Sen has broken a promise." if is_broken else "Sen has kept its promises.")
    return is_broken


if __name__ == "__main__":
    sys.exit(main())
