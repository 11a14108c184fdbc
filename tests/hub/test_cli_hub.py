"""`sen-hub` as people use it: real processes, real brokers, real files."""

import asyncio
import os
import signal
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import aiomqtt
import httpx
import pytest

from hub.clock import SystemClock
from tests.support.hub_process import HubProcess, make_hub, sen_hub
from tests.support.processes import Program, wait_until
from tests.support.speaking_gateway import speaking_gateway, stream
from wire.records import Mode, Quality, Value

AIR = stream("hall", "air-1", "air_quality", "pm2_5", "temperature", mode=Mode.SIMULATED)


@pytest.fixture
def hub(request: pytest.FixtureRequest, tmp_path: Path, free_port: Callable[[], int]) -> Iterator[HubProcess]:
    """A running hub with an embedded broker, or the one the test asks for."""
    made = make_hub(
        tmp_path / "hub", http_port=free_port(), mqtt_port=free_port(), broker=getattr(request, "param", "embedded")
    )
    made.start()
    yield made
    if made.program.runs:
        made.program.stop()


def add_gateway(hub: HubProcess, name: str = "gw-1") -> str:
    """Register a gateway while the hub runs; its password."""
    file = hub.folder / f"{name}.password"
    sen_hub("gateway", "add", str(hub.folder), name, "--site", "hall", "--password-file", str(file))
    return file.read_text().strip()


def broker_pid(hub: HubProcess) -> int:
    return int((hub.folder / "broker" / "broker.pid").read_text())


async def reads(hub: HubProcess, *, password: str, name: str = "gw-1", pm: float = 35.5) -> None:
    """Speak as a gateway until the hub has committed one reading; connect again where need be."""
    async with asyncio.timeout(30):
        while True:
            try:
                async with speaking_gateway(
                    port=hub.mqtt_port, name=name, password=password, site="hall", streams=[AIR]
                ) as gateway:
                    commit = await gateway.send((AIR, 0, (Value(pm), Value(None, Quality.SENSOR_FAULT))), within_s=2)
                    assert commit.final == ((1, 1),)
                    await gateway.tell_status()
                    return
            except (aiomqtt.MqttError, TimeoutError):
                await SystemClock().sleep(0.2)


@pytest.mark.parametrize("hub", ["embedded", pytest.param("auto", marks=pytest.mark.real)], indirect=True)
async def test_a_reading_goes_all_the_way_and_every_command_shows_it(hub: HubProcess) -> None:
    await reads(hub, password=add_gateway(hub))
    folder = str(hub.folder)
    listed = sen_hub("series", "list", folder, "device=air-1").stdout
    assert "35.5 ug/m3" in listed
    assert "simulated" in listed
    assert "sensor_fault" in listed
    exported = sen_hub("series", "export", folder, "field=pm2_5", "--csv").stdout.splitlines()
    assert exported[0] == "measurement,site,gateway,device,group,field,unit,mode,time,value,quality"
    assert exported[1].startswith("air_quality,hall,gw-1,air-1,air_quality,pm2_5,ug/m3,simulated,")
    assert exported[1].endswith(",35.5,good")
    shown = sen_hub("series", "show", folder, "field=pm2_5", "aggregate=mean", "window=1d", "from=-2d").stdout
    assert "35.5" in shown
    status = sen_hub("status", folder).stdout
    assert "gw-1" in status
    gateways = hub.get("/gateways").json()["gateways"]
    assert gateways[0]["accounts"]["stored"] == 1
    assert gateways[0]["accounts"]["unexplained"] == 0
    assert "gw-1" in sen_hub("gateway", "list", folder).stdout


async def test_the_hub_survives_a_killed_broker_and_garbage(hub: HubProcess) -> None:
    password = add_gateway(hub)
    await reads(hub, password=password)
    os.kill(broker_pid(hub), signal.SIGKILL)
    await reads(hub, password=password, pm=36.5)
    async with aiomqtt.Client(
        "127.0.0.1", hub.mqtt_port, username="gw-1", password=password, protocol=aiomqtt.ProtocolVersion.V311
    ) as client:
        for payload in (b"", b"\0", b"\xff" * 100_000, b"{}", os.urandom(500)):
            for leaf in ("batch", "status", "inventory", "reply", "nonsense", "batch/deeper"):
                await client.publish(f"sen/1/up/gw-1/{leaf}", payload, qos=1)
    await reads(hub, password=password, pm=37.5)
    assert hub.get("/latest", field="pm2_5").json()[0]["value"] == 37.5
    assert hub.get("/health").json()["ingest"]["unreadable"] > 0
    assert "Traceback" not in hub.program.tail(2000)


async def test_a_killed_hub_starts_again_over_its_own_leftovers(hub: HubProcess) -> None:
    password = add_gateway(hub)
    await reads(hub, password=password)
    hub.program.kill()
    hub.start()
    await reads(hub, password=password, pm=36.5)
    assert hub.get("/gateways").json()["gateways"][0]["accounts"]["stored"] == 2


def test_sigterm_ends_the_hub_cleanly_and_its_broker_with_it(hub: HubProcess) -> None:
    pid = broker_pid(hub)
    assert hub.program.stop(within_s=10) == 0
    assert not Path(f"/proc/{pid}").exists()
    assert "Traceback" not in hub.program.tail(2000)
    with pytest.raises(httpx.ConnectError):
        hub.get("/health")


async def test_a_removed_gateway_is_locked_out_and_a_new_password_voids_the_old(hub: HubProcess) -> None:
    old = add_gateway(hub)
    await reads(hub, password=old)
    file = hub.folder / "new.password"
    sen_hub("gateway", "credentials", str(hub.folder), "gw-1", "--password-file", str(file))
    await reads(hub, password=file.read_text().strip(), pm=36.5)
    with pytest.raises(aiomqtt.MqttError):
        async with aiomqtt.Client("127.0.0.1", hub.mqtt_port, username="gw-1", password=old):
            pass
    sen_hub("gateway", "remove", str(hub.folder), "gw-1")
    async with asyncio.timeout(10):
        while await admitted(hub, file.read_text().strip()):
            await SystemClock().sleep(0.1)
    assert hub.get("/gateways").json()["gateways"][0]["state"] == "blocked"


async def admitted(hub: HubProcess, password: str) -> bool:
    try:
        async with aiomqtt.Client(
            "127.0.0.1",
            hub.mqtt_port,
            username="gw-1",
            password=password,
            protocol=aiomqtt.ProtocolVersion.V311,
        ):
            return True
    except aiomqtt.MqttError:
        return False


async def test_a_gateway_without_registration_is_seen_and_not_believed(hub: HubProcess) -> None:
    password = add_gateway(hub)
    sen_hub("gateway", "block", str(hub.folder), "gw-1")
    with pytest.raises(TimeoutError):
        async with (
            asyncio.timeout(3),
            speaking_gateway(port=hub.mqtt_port, name="gw-1", password=password, site="hall", streams=[AIR]) as gateway,
        ):
            await gateway.send((AIR, 0, (Value(1.0), Value(1.0))))
    assert hub.get("/latest").json() == []
    sen_hub("gateway", "unblock", str(hub.folder), "gw-1")
    await reads(hub, password=password)


@pytest.mark.real
async def test_on_somebodys_broker_a_stranger_is_listed_and_known_at_once_when_added(
    tmp_path: Path, free_port: Callable[[], int], real_program: Callable[[str], str]
) -> None:
    port = free_port()
    config = tmp_path / "mosquitto.conf"
    config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\n")
    broker = Program([real_program("mosquitto"), "-c", str(config)], tmp_path / "broker.log", tmp_path)
    broker.start()
    url = {"broker": f"{{kind: url, url: 'mqtt://127.0.0.1:{port}'}}"}
    hub = make_hub(tmp_path / "hub", http_port=free_port(), mqtt_port=free_port(), broker="url", more=url)
    hub.start()
    try:
        async with speaking_gateway(port=port, name="gw-1", password="", site="hall", streams=[AIR]) as gateway:
            with pytest.raises(TimeoutError):
                await gateway.send((AIR, 0, (Value(1.0), Value(1.0))), within_s=1)
            assert "gw-1                 not registered" in sen_hub("gateway", "list", str(hub.folder)).stdout
            added = sen_hub("gateway", "add", str(hub.folder), "gw-1", "--site", "hall").stdout
            assert "may write sen/1/up/gw-1/# and read sen/1/dn/gw-1/#" in added
            async with asyncio.timeout(15):
                while not hub.get("/devices").json():
                    await SystemClock().sleep(0.2)
            assert (await gateway.send((AIR, 0, (Value(1.0), Value(1.0))))).final == ((2, 2),)
            hub.program.kill()
            hub.start()
            async with asyncio.timeout(15):
                assert not (await gateway.heard()).final, "the hub says by itself that it hears again"
        assert hub.get("/gateways").json()["unknown"] == []
    finally:
        assert hub.program.stop() == 0
        broker.kill()


def test_a_second_hub_on_the_same_folder_is_refused_and_the_first_lives_on(hub: HubProcess) -> None:
    refused = sen_hub("serve", str(hub.folder), expect=1)
    assert "another hub runs on it" in refused.stderr
    assert hub.get("/health").json()["ok"]


def test_a_taken_port_is_said_with_what_to_do(hub: HubProcess, tmp_path: Path, free_port: Callable[[], int]) -> None:
    web = make_hub(tmp_path / "a", http_port=hub.http_port, mqtt_port=free_port(), broker="embedded")
    said = sen_hub("serve", str(web.folder), expect=1).stderr
    assert f"HTTP address 127.0.0.1:{hub.http_port}: Address already in use" in said
    mqtt = make_hub(tmp_path / "b", http_port=free_port(), mqtt_port=hub.mqtt_port, broker="embedded")
    said = sen_hub("serve", str(mqtt.folder), expect=1).stderr
    assert "set another mqtt.host or mqtt.port in hub.yaml" in said


def test_a_hub_reachable_from_other_machines_asks_for_its_token(tmp_path: Path, free_port: Callable[[], int]) -> None:
    port = free_port()
    made = make_hub(tmp_path / "hub", http_port=port, mqtt_port=free_port(), broker="embedded")
    file = made.folder / "hub.yaml"
    file.write_text(
        file.read_text().replace(f"http: {{host: 127.0.0.1, port: {port}}}", f"http: {{host: 0.0.0.0, port: {port}}}")
    )
    made.program.start()
    try:
        wait_until("it listens", lambda: answers(made), within_s=20)
        assert made.get("/health").status_code == 401
        assert httpx.get(made.url, timeout=5).status_code == 401
        assert "broker" in sen_hub("status", str(made.folder)).stdout
    finally:
        assert made.program.stop() == 0


def answers(hub: HubProcess) -> bool:
    try:
        hub.get("/health")
    except httpx.HTTPError:
        return False
    return True


def test_commands_say_when_no_hub_runs(tmp_path: Path) -> None:
    made = make_hub(tmp_path / "hub", http_port=1, mqtt_port=2, broker="embedded")
    for command in (("status",), ("series", "list"), ("series", "show"), ("series", "export")):
        said = sen_hub(*command, str(made.folder), expect=1).stderr
        assert "no hub answers at http://127.0.0.1:1" in said
        assert "sen-hub serve" in said


def test_init_makes_secrets_that_only_the_owner_reads_and_no_default_password(tmp_path: Path) -> None:
    for name in ("a", "b"):
        sen_hub("init", str(tmp_path / name))
    secrets = [path for name in ("a", "b") for path in (tmp_path / name / "secrets").iterdir()]
    assert len(secrets) == 4
    assert len({path.read_text() for path in secrets}) == 4
    assert {stat.S_IMODE(path.stat().st_mode) for path in secrets} == {0o600}
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o700
    before = {path: path.read_text() for path in secrets}
    (tmp_path / "a" / "hub.yaml").write_text("http: {port: 1234}\n")
    assert "everything is there already" in sen_hub("init", str(tmp_path / "a")).stdout
    assert {path: path.read_text() for path in secrets} == before
    assert (tmp_path / "a" / "hub.yaml").read_text() == "http: {port: 1234}\n"


def test_all_faults_of_the_file_are_told_at_once_with_their_lines(tmp_path: Path) -> None:
    sen_hub("init", str(tmp_path))
    (tmp_path / "hub.yaml").write_text(
        "http: {prt: 1, port: 99999}\n"
        "series:\n"
        "  kind: influxdb2\n"
        "  url: nonsense\n"
        "  token_file: secrets/none\n"
        "broker: {kind: auto, url: 'mqtt://x'}\n"
        "workers:\n"
        "  shared: true\n"
        "  lease_s: 1\n"
    )
    said = sen_hub("serve", str(tmp_path), expect=1).stderr
    for told in (
        "hub.yaml:1: http.prt: found the unknown key 'prt'",
        "hub.yaml:1: http.port: found 99999, expected 65535 or less",
        "hub.yaml:3: series.kind: found kind influxdb2 without bucket",
        "hub.yaml:3: series.kind: found kind influxdb2 without org",
        "hub.yaml:4: series.url: found 'nonsense'",
        "hub.yaml:5: series.token_file: found 'secrets/none', which is not there",
        "hub.yaml:6: broker.url: found url with kind auto",
        "hub.yaml:8: workers.shared: found true without broker.kind url",
        "hub.yaml:8: workers.shared: found true without a registry.url",
        "hub.yaml:9: workers.lease_s: found 1, expected 2 or more",
    ):
        assert told in said


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("serve", "nowhere"), "`sen-hub init nowhere` makes a hub's folder"),
        (("gateway", "add", "{folder}", "GW 1", "--site", "x"), "gateway 'GW 1': expected 1 to 63 of a-z"),
        (("gateway", "add", "{folder}", "gw-1", "--site", "X!"), "site 'X!': expected"),
        (("gateway", "block", "{folder}", "gw-9"), "gateway 'gw-9' is not registered"),
        (("gateway", "credentials", "{folder}", "gw-9"), "sen-hub gateway add {folder} gw-9 --site SITE"),
        (("series", "list", "{folder}", "device"), "expected KEY=VALUE"),
        (("serve", "{folder}", "--log-level", "loud"), "--log-level: found 'loud'"),
    ],
)
def test_a_wrong_command_says_what_was_expected(tmp_path: Path, arguments: tuple[str, ...], told: str) -> None:
    sen_hub("init", str(tmp_path))
    filled = [part.format(folder=tmp_path) for part in arguments]
    assert told.format(folder=tmp_path) in sen_hub(*filled, expect=1).stderr


def test_a_password_is_shown_once_or_kept_in_a_file_that_is_never_overwritten(tmp_path: Path) -> None:
    folder = str(tmp_path / "hub")
    sen_hub("init", folder)
    shown = sen_hub("gateway", "add", folder, "gw-1", "--site", "hall").stdout
    password = shown.split("shown only now: ")[1].strip()
    assert len(password) >= 32
    assert password not in (tmp_path / "hub" / "broker" / "users").read_text()
    file = tmp_path / "there"
    file.write_text("precious")
    said = sen_hub("gateway", "add", folder, "gw-2", "--site", "hall", "--password-file", str(file), expect=1).stderr
    assert "is there already" in said
    assert file.read_text() == "precious"


def test_every_command_has_help_with_an_example() -> None:
    commands = [
        (), ("init",), ("serve",), ("status",),
        *(("gateway", name) for name in ("add", "list", "remove", "block", "unblock", "credentials")),
        *(("series", name) for name in ("list", "show", "export")),
        *(("grafana", name) for name in ("export", "sync", "check", "guide")),
        *(("site", name) for name in ("set", "list")),
    ]  # fmt: skip
    for command in commands:
        assert "Example: sen-hub" in sen_hub(*command, "--help").stdout
