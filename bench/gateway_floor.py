"""The floor under a gateway: the same requests with absolute deadlines, and nothing else. No rival, a lower bound.

One request a device and cycle, one after the other on one connection. No decoding, scaling, spool, MQTT or logging.
Runs until SIGTERM.
"""

import argparse
import asyncio
import struct

REQUEST = struct.Struct(">HHHBBHH")
MBAP_BYTES = 6
READ_HOLDING = 3


async def poll(port: int, devices: int, registers: int, period_s: float) -> None:
    """Read all devices once a period, for ever."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    loop = asyncio.get_running_loop()
    due_s = loop.time()
    transaction = 0
    while True:
        for unit in range(1, devices + 1):
            transaction = (transaction + 1) & 0xFFFF
            writer.write(REQUEST.pack(transaction, 0, MBAP_BYTES, unit, READ_HOLDING, 0, registers))
            head = await reader.readexactly(MBAP_BYTES)
            await reader.readexactly(int.from_bytes(head[4:], "big"))
        due_s += period_s
        await asyncio.sleep(max(0.0, due_s - loop.time()))


def main() -> None:
    """Read the arguments and poll."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("--devices", type=int, default=50)
    parser.add_argument("--registers", type=int, default=20)
    parser.add_argument("--period", type=float, default=1.0)
    given = parser.parse_args()
    asyncio.run(poll(given.port, given.devices, given.registers, given.period))


if __name__ == "__main__":
    main()
