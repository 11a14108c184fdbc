"""A Modbus TCP field for load measurements, leaner than what is measured: it answers every unit and logs when.

Each register holds how often it has been read, so that a lost, repeated or mixed-up reading has a name. The first line
it prints is `{"port": N}`. SIGUSR1 begins the measured time, SIGTERM ends it: then it prints one JSON line with the
requests for each unit and cycle, intervals between cycles, jitter and drift; `--times FILE` also writes the times of
all answers. Standard library only.
"""

import argparse
import asyncio
import json
import signal
import statistics
import struct
import time
from array import array
from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

MBAP = struct.Struct(">HHHB")
READ = struct.Struct(">BHH")
READ_FUNCTIONS = (3, 4)
ILLEGAL_FUNCTION = 1
Summary = dict[str, float | int]


class Log:
    """When each unit answered, and what its registers count."""

    def __init__(self) -> None:
        self.begin_s = time.monotonic()
        self.times: dict[int, array[float]] = defaultdict(lambda: array("d"))
        self.counts: dict[int, dict[int, int]] = defaultdict(lambda: defaultdict(int))

    def begin(self) -> None:
        """Begin the measured time."""
        self.begin_s = time.monotonic()

    def answer(self, unit: int, pdu: bytes) -> bytes:
        """Answer one request, and remember when."""
        if len(pdu) != READ.size or pdu[0] not in READ_FUNCTIONS:
            return bytes((pdu[0] | 0x80, ILLEGAL_FUNCTION))
        function, address, count = READ.unpack(pdu)
        counts = self.counts[unit]
        words = []
        for register in range(address, address + count):
            counts[register] = (counts[register] + 1) & 0xFFFF
            words.append(counts[register])
        self.times[unit].append(time.monotonic())
        return struct.pack(f">BB{count}H", function, 2 * count, *words)


class Connection(asyncio.Protocol):
    """One client."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._pending = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer whole requests."""
        self._pending += data
        replies = []
        while len(self._pending) >= MBAP.size:
            transaction, _, length, unit = MBAP.unpack_from(self._pending)
            end = MBAP.size - 1 + length
            if len(self._pending) < end:
                break
            pdu = self._log.answer(unit, self._pending[MBAP.size : end])
            self._pending = self._pending[end:]
            replies.append(MBAP.pack(transaction, 0, len(pdu) + 1, unit) + pdu)
        self._transport.write(b"".join(replies))


def cycle_starts(times: Sequence[float], period_s: float) -> list[float]:
    """When the cycles of one unit began: answers closer together than a quarter of the period are one cycle."""
    starts: list[float] = []
    last = float("-inf")
    for at in times:
        if at - last > period_s / 4:
            starts.append(at)
        last = at
    return starts


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which a share lies; 0 where there are none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def summary(times: dict[int, Sequence[float]], period_s: float) -> Summary:
    """What the logs of all units say."""
    requests, cycles = 0, 0
    intervals: list[float] = []
    jitter: list[float] = []
    drifts: list[float] = []
    for answers in times.values():
        starts = cycle_starts(answers, period_s)
        if len(starts) < 2:
            continue
        requests += len(answers)
        cycles += len(starts)
        intervals += [later - earlier for earlier, later in pairwise(starts)]
        # How far each cycle lies from its unit's own grid of whole periods.
        offsets = [at - starts[0] - number * period_s for number, at in enumerate(starts)]
        middle = statistics.median(offsets)
        jitter += [abs(offset - middle) for offset in offsets]
        drifts.append((starts[-1] - starts[0]) / (len(starts) - 1) / period_s - 1)
    return {
        "units": len(times),
        "cycles": cycles,
        "requests_per_cycle": round(requests / max(1, cycles), 3),
        "interval_p50_s": round(percentile(intervals, 0.5), 5),
        "interval_p95_s": round(percentile(intervals, 0.95), 5),
        "interval_max_s": round(max(intervals, default=0.0), 5),
        "jitter_p95_ms": round(1000 * percentile(jitter, 0.95), 3),
        "jitter_max_ms": round(1000 * max(jitter, default=0.0), 3),
        "drift_ppm": round(1e6 * statistics.fmean(drifts), 1) if drifts else 0,
    }


async def serve(log: Log) -> None:
    """Answer until SIGTERM."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.add_signal_handler(signal.SIGUSR1, log.begin)
    server = await loop.create_server(lambda: Connection(log), "127.0.0.1", 0)
    print(json.dumps({"port": server.sockets[0].getsockname()[1]}), flush=True)
    await stop.wait()


def main() -> None:
    """Read the arguments and serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--period", type=float, default=1.0, help="the period in seconds that clients are to keep")
    parser.add_argument("--times", type=Path, help="where to write the times of all answers by unit")
    given = parser.parse_args()
    log = Log()
    asyncio.run(serve(log))
    if given.times is not None:
        # The n-th answer of a unit carried the count n.
        given.times.write_text(json.dumps({str(unit): list(times) for unit, times in log.times.items()}))
    measured = {unit: [at for at in times if at >= log.begin_s] for unit, times in log.times.items()}
    print(json.dumps(summary({unit: times for unit, times in measured.items() if times}, given.period)), flush=True)


if __name__ == "__main__":
    main()
