"""The two ends of a pipeline as it is usually built on MQTT, and as well as that can be done without more than MQTT.

`publish` reads counting devices and publishes each reading with QoS 1 in a persistent session; what the broker has
acknowledged is noted in a file, one `device answer` a line. Told to end (SIGTERM), it waits until the broker has all.

`store` subscribes in a persistent session and writes to InfluxDB; only what the database has taken does it acknowledge
to the broker. What the database does not take it writes again.
"""

import argparse
import json
import queue
import signal
import socket
import threading
import time
from pathlib import Path
from typing import Any, BinaryIO, Final

import httpx
import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from device_profiles.modbus import ReadRequest, Table
from device_profiles.modbus_frames import tcp_frame_bytes, tcp_request
from tests.support.counting_field import COUNTERS, FIRST_REGISTER

TOPIC: Final = "naive/{gateway}/{device}"
MODE: Final = "simulated"
_REQUEST: Final = ReadRequest(table=Table.INPUT, address=FIRST_REGISTER, count=2 * COUNTERS)
_MBAP_AND_HEAD_BYTES: Final = 9
_HOLDS_WITHIN_S: Final = 120.0
_MOST_LINES: Final = 500
_RETRY_S: Final = 0.5
_ANSWER_S: Final = 5.0


def client_of(name: str, *, manual_ack: bool = False) -> mqtt.Client:
    """A client with a persistent session that holds as much as it must, and comes back by itself."""
    made = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=name, clean_session=False, manual_ack=manual_ack)
    made.max_queued_messages_set(0)
    made.reconnect_delay_set(min_delay=1, max_delay=5)
    return made


def connect(client: mqtt.Client, port: int) -> None:
    """Connect, however long it takes, and go on in a thread."""
    client.connect_async("127.0.0.1", port, keepalive=30)
    client.loop_start()


class Bus:
    """One Modbus TCP connection."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._stream: BinaryIO = self._socket.makefile("rb")
        self._transaction = 0

    def read(self, unit: int) -> list[int]:
        """The counters of a unit."""
        self._transaction = (self._transaction + 1) & 0xFFFF
        self._socket.sendall(tcp_request(self._transaction, unit, _REQUEST))
        head = self._stream.read(_MBAP_AND_HEAD_BYTES)
        data = self._stream.read((tcp_frame_bytes(head) or 0) - len(head))
        return [int.from_bytes(data[at : at + 4], "big") for at in range(0, len(data), 4)]


class Publisher:
    """Publishes, and notes what the broker has acknowledged."""

    def __init__(self, given: argparse.Namespace) -> None:
        self._gateway: str = given.gateway
        self._noted = Path(given.noted).open("ab", buffering=0)  # noqa: SIM115 - as long as the process
        self._lock = threading.Lock()
        self._waiting: dict[int, str] = {}
        self._early: set[int] = set()  # acknowledged before `publish` had returned
        self._client = client_of(given.gateway)
        self._client.on_publish = self._acknowledged
        connect(self._client, given.broker)

    def publish(self, device: str, values: list[int]) -> None:
        """Hand a reading to the client, which sends it when it can."""
        payload = json.dumps({"time": time.time_ns(), "values": values})
        info = self._client.publish(TOPIC.format(gateway=self._gateway, device=device), payload, qos=1)
        with self._lock:
            self._waiting[info.mid] = f"{device} {values[0] // COUNTERS}\n"
            if info.mid in self._early:
                self._early.discard(info.mid)
                self._note(info.mid)

    def end(self) -> None:
        """Wait until the broker has all, within bounds."""
        end_s = time.monotonic() + _HOLDS_WITHIN_S
        while self._waiting and time.monotonic() < end_s:
            time.sleep(0.1)
        self._client.disconnect()

    def _acknowledged(self, _client: mqtt.Client, _data: object, mid: int, *_: object) -> None:
        with self._lock:
            if mid in self._waiting:
                self._note(mid)
            else:
                self._early.add(mid)

    def _note(self, mid: int) -> None:
        self._noted.write(self._waiting.pop(mid).encode())


def publish(given: argparse.Namespace) -> None:
    """Read and publish until told to end."""
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    publisher, bus = Publisher(given), Bus(given.field)
    due_s = time.monotonic()
    while not ended.is_set():
        for unit in range(given.first, given.first + given.devices):
            publisher.publish(f"tcp-{unit}", bus.read(unit))
        due_s += given.every
        ended.wait(max(0.0, due_s - time.monotonic()))
    publisher.end()


def line_of(message: mqtt.MQTTMessage) -> str:
    """A message as a line for the database."""
    _, gateway, device = message.topic.split("/")
    told: dict[str, Any] = json.loads(message.payload)
    fields = ",".join(f"pulses_{k}={value}" for k, value in enumerate(told["values"]))
    return f"io,gateway={gateway},device={device},mode={MODE} {fields},quality=0 {told['time']}"


def store(given: argparse.Namespace) -> None:
    """Store until killed."""
    heard: queue.SimpleQueue[mqtt.MQTTMessage] = queue.SimpleQueue()
    client = client_of("naive-store", manual_ack=True)
    client.on_connect = lambda client, *_: client.subscribe("naive/#", qos=1)
    client.on_message = lambda _client, _data, message: heard.put(message)
    connect(client, given.broker)
    with httpx.Client(base_url=f"http://127.0.0.1:{given.database}", timeout=_ANSWER_S) as database:
        while True:
            messages = [heard.get()]
            while not heard.empty() and len(messages) < _MOST_LINES:
                messages.append(heard.get())
            write(database, "\n".join(line_of(message) for message in messages))
            for message in messages:
                client.ack(message.mid, message.qos)


def write(database: httpx.Client, lines: str) -> None:
    """Write until the database has taken it."""
    while True:
        try:
            if database.post("/write", params={"db": "sen"}, content=lines).is_success:
                return
            database.post("/query", data={"q": "CREATE DATABASE sen"})
        except httpx.HTTPError:
            time.sleep(_RETRY_S)


def main() -> None:
    """Be one of the two."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--broker", type=int, required=True, help="its port")
    parts = parser.add_subparsers(required=True)
    storing = parts.add_parser("store")
    storing.add_argument("--database", type=int, required=True, help="its port")
    storing.set_defaults(do=store)
    publishing = parts.add_parser("publish")
    publishing.add_argument("--gateway", required=True)
    publishing.add_argument("--field", type=int, required=True, help="the port of the devices")
    publishing.add_argument("--first", type=int, required=True, help="the first unit")
    publishing.add_argument("--devices", type=int, required=True)
    publishing.add_argument("--every", type=float, required=True, help="seconds")
    publishing.add_argument("--noted", required=True, help="the file of what the broker acknowledged")
    publishing.set_defaults(do=publish)
    given = parser.parse_args()
    given.do(given)


if __name__ == "__main__":
    main()
