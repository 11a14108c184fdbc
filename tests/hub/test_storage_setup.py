"""Setting up a database: everything once, nothing twice, rights no wider than needed, and each error says what to do.

InfluxDB 1.x is a real 1.6.7. InfluxDB 2.x is a server of ours that answers as the public API documentation says.
"""

import socket
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from hub.commands.grafana import export
from hub.config import HubFolder, SeriesKind, open_folder
from hub.kept import level_days, make_series
from hub.levels.level import Level, bucket_of
from hub.new_folder import make_folder
from hub.series.base import SeriesError
from hub.series.sheet import Point, sheets_of
from hub.storage.hub_yaml import with_series
from hub.storage.setup import Request, StorageSetup
from tests.support.influx_v2_server import InfluxV2Server
from tests.support.influxd import InfluxServer
from wire.records import Mode, Quality

DAY_S = 86_400


@pytest.fixture
def server() -> Iterator[InfluxV2Server]:
    made = InfluxV2Server()
    yield made
    made.close()


@pytest.fixture
def folder(tmp_path: Path) -> HubFolder:
    make_folder(tmp_path / "hub")
    return open_folder(tmp_path / "hub")


def run(folder: HubFolder, url: str, **asked: object) -> list[str]:
    told: list[str] = []
    request = Request(**{"kind": SeriesKind.INFLUXDB2, "url": url, "org": "sen", "bucket": "sen", **asked})  # type: ignore[arg-type] # by name
    StorageSetup(open_folder(folder.path), request, level_days(folder), told.append).run()
    return told


def kept(server: InfluxV2Server) -> dict[str, int]:
    return {bucket["name"]: bucket["retentionRules"][0]["everySeconds"] for bucket in server.state.buckets}


def test_a_bucket_for_each_level_with_its_retention_and_a_mapping_for_influxql(
    server: InfluxV2Server, folder: HubFolder
) -> None:
    run(folder, server.url, admin=server.own())
    assert kept(server) == {"sen": 90 * DAY_S, "sen_5m": 731 * DAY_S, "sen_1h": 3653 * DAY_S}
    mapped = {one["database"]: one["bucketID"] for one in server.state.dbrps if not one.get("virtual")}
    assert mapped == {bucket["name"]: bucket["id"] for bucket in server.state.buckets}


def test_the_hubs_token_reads_and_writes_these_buckets_and_nothing_else(
    server: InfluxV2Server, folder: HubFolder
) -> None:
    told = run(folder, server.url, admin=server.own())
    path = folder.file("secrets/influx.token")
    token = path.read_text(encoding="utf-8").strip()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    rights = server.state.tokens[token]
    assert rights is not None
    assert sorted((one["action"], one["resource"]["type"], one["resource"]["id"]) for one in rights) == sorted(
        (action, "buckets", bucket["id"]) for bucket in server.state.buckets for action in ("read", "write")
    )
    assert not any(token in line or "admin-token" in line for line in told)


def test_grafana_gets_a_token_that_reads_these_buckets_and_writes_nowhere(
    server: InfluxV2Server, folder: HubFolder
) -> None:
    told = run(folder, server.url, admin=server.own())
    path = folder.file("secrets/influx-read.token")
    token = path.read_text(encoding="utf-8").strip()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    rights = server.state.tokens[token]
    assert rights is not None
    assert sorted((one["action"], one["resource"]["type"], one["resource"]["id"]) for one in rights) == sorted(
        ("read", "buckets", bucket["id"]) for bucket in server.state.buckets
    )
    assert token != folder.secret("secrets/influx.token")
    assert not any(token in line for line in told)


def test_the_panels_data_sources_show_the_readers_token_and_never_the_hubs(
    server: InfluxV2Server, folder: HubFolder, tmp_path: Path
) -> None:
    run(folder, server.url, admin=server.own())
    out, copies = tmp_path / "out", tmp_path / "copies"
    export(folder.path, out, copy_secrets=copies)
    sources = (out / "datasources" / "sen.yaml").read_text(encoding="utf-8")
    assert str(folder.file("secrets/influx-read.token")) in sources
    assert "influx.token" not in sources
    assert [path.name for path in copies.iterdir()] == ["influx-read.token"]


@pytest.mark.parametrize("named", ["", "grafana: {read_token_file: secrets/influx.token}\n"])
def test_a_reader_is_named_where_grafana_had_none_or_the_hubs_own(
    server: InfluxV2Server, folder: HubFolder, named: str
) -> None:
    with (folder.path / "hub.yaml").open("a", encoding="utf-8") as file:
        file.write(named)
    run(folder, server.url, admin=server.own())
    reader = server.state.tokens[folder.secret(open_folder(folder.path).config.grafana.read_token_file or "")]
    assert {right["action"] for right in reader or ()} == {"read"}


def test_a_reader_that_a_person_named_stays(server: InfluxV2Server, folder: HubFolder) -> None:
    with (folder.path / "hub.yaml").open("a", encoding="utf-8") as file:
        file.write("grafana: {read_token_file: secrets/our-own.token} # by hand\n")
    run(folder, server.url, admin=server.own())
    assert "{read_token_file: secrets/our-own.token} # by hand" in (folder.path / "hub.yaml").read_text("utf-8")


def test_a_hub_that_was_set_up_without_a_reader_gets_one_and_keeps_its_token(
    server: InfluxV2Server, folder: HubFolder
) -> None:
    admin = server.own()
    run(folder, server.url, admin=admin)
    hubs = folder.secret("secrets/influx.token")
    folder.file("secrets/influx-read.token").unlink()
    (told,) = run(folder, server.url, admin=admin)
    assert told == "a new token for Grafana that reads sen, sen_5m, sen_1h, and nothing else"
    assert folder.secret("secrets/influx.token") == hubs


def test_doing_it_again_changes_nothing_and_says_so(server: InfluxV2Server, folder: HubFolder) -> None:
    admin = server.own()
    assert run(folder, server.url, admin=admin)
    server.state.requests.clear()
    config = (folder.path / "hub.yaml").read_text(encoding="utf-8")
    assert run(folder, server.url, admin=admin) == []
    assert {request.split()[0] for request in server.state.requests} == {"GET"}
    assert (folder.path / "hub.yaml").read_text(encoding="utf-8") == config


def test_hub_yaml_names_the_database_and_keeps_its_comments_and_retention(
    server: InfluxV2Server, folder: HubFolder
) -> None:
    run(folder, server.url, admin=server.own())
    text = (folder.path / "hub.yaml").read_text(encoding="utf-8")
    assert "# The hub's settings." in text
    assert "retention: {raw_days: 90" in text
    series = open_folder(folder.path).config.series
    assert (series.kind, series.url, series.org, series.bucket) == (SeriesKind.INFLUXDB2, server.url, "sen", "sen")
    assert with_series(text, {"kind": "embedded"}).count("influx.token") == text.count("influx.token") - 1


def test_a_changed_retention_is_given_to_what_is_there(server: InfluxV2Server, folder: HubFolder) -> None:
    admin = server.own()
    run(folder, server.url, admin=admin)
    file = folder.path / "hub.yaml"
    file.write_text(file.read_text(encoding="utf-8").replace("raw_days: 90", "raw_days: 30"), encoding="utf-8")
    changed = open_folder(folder.path)
    assert run(changed, server.url, admin=admin) == ["bucket sen: kept 30 days, was kept 90 days"]
    assert kept(server)["sen"] == 30 * DAY_S


def test_a_dry_run_says_the_same_and_changes_nothing(server: InfluxV2Server, folder: HubFolder) -> None:
    admin = server.own()
    before = sorted(path.name for path in folder.path.rglob("*"))
    told = run(folder, server.url, admin=admin, dry_run=True)
    assert len([line for line in told if "bucket sen" in line]) == 3
    assert {request.split()[0] for request in server.state.requests} == {"GET"}
    assert sorted(path.name for path in folder.path.rglob("*")) == before
    assert run(folder, server.url, is_onboarding=False, admin=admin)


def test_a_new_server_is_taken_over_and_its_owners_secrets_kept_in_files(
    server: InfluxV2Server, folder: HubFolder
) -> None:
    assert "new server" in run(folder, server.url, is_onboarding=True, dry_run=True)[0]
    assert not server.state.is_owned
    run(folder, server.url, is_onboarding=True)
    for name in ("influx-admin.token", "influx-admin.password", "influx.token", "influx-read.token"):
        assert stat.S_IMODE(folder.file(f"secrets/{name}").stat().st_mode) == 0o600
    assert set(kept(server)) == {"sen", "sen_5m", "sen_1h"}
    assert run(folder, server.url, is_onboarding=True) == []


def test_a_server_that_has_an_owner_is_not_taken_over(server: InfluxV2Server, folder: HubFolder) -> None:
    server.own()
    with pytest.raises(SeriesError, match=r"has an owner already.*--admin-token-file"):
        run(folder, server.url, is_onboarding=True)
    assert not folder.file("secrets/influx-admin.token").exists()


def test_a_token_that_was_revoked_is_replaced(server: InfluxV2Server, folder: HubFolder) -> None:
    admin = server.own()
    run(folder, server.url, admin=admin)
    first = folder.secret("secrets/influx.token")
    del server.state.tokens[first]
    assert any("new token" in line for line in run(folder, server.url, admin=admin))
    assert folder.secret("secrets/influx.token") != first


def test_what_was_made_before_a_failure_stays_and_the_rest_follows(server: InfluxV2Server, folder: HubFolder) -> None:
    admin = server.own()
    server.fail("POST /api/v2/authorizations", 503, {"code": "unavailable", "message": "shutting down"})
    with pytest.raises(SeriesError, match="503 shutting down; the server is in trouble"):
        run(folder, server.url, admin=admin)
    assert open_folder(folder.path).config.series.kind is SeriesKind.EMBEDDED
    server.state.failures.clear()
    assert len(run(folder, server.url, admin=admin)) == 4, "two tokens, and the lines that name them"
    assert len(server.state.buckets) == 3


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (401, {"code": "unauthorized", "message": "unauthorized access"}, "unauthorized access; the token"),
        (403, {"code": "forbidden", "message": "insufficient permissions"}, "insufficient permissions; its owner may"),
        (404, "404 page not found", "page not found; there is no such thing at this address"),
        (409, {"code": "conflict", "message": "conflict"}, "run it again"),
        (422, {"code": "conflict", "message": "bucket with name sen already exists"}, "already exists; the server ref"),
        (429, "", "run it again later"),
        (500, {"code": "internal error", "message": "boom"}, "boom; the server is in trouble"),
        (502, "<html>bad gateway</html>", "the server is in trouble"),
        (301, "", "it points elsewhere"),
        (200, "<html>hello</html>", "expected JSON; is there another program"),
        (201, {"no": "id"}, "expected something with an id; is it InfluxDB 2.x"),
    ],
)
def test_each_error_of_a_server_says_what_to_do(
    server: InfluxV2Server, folder: HubFolder, status: int, body: dict[str, object] | str, expected: str
) -> None:
    admin = server.own()
    server.fail("POST /api/v2/buckets", status, body)
    with pytest.raises(SeriesError) as caught:
        run(folder, server.url, admin=admin)
    assert expected in str(caught.value)
    assert server.url in str(caught.value) or status == 201
    assert "admin-token" not in str(caught.value).replace("--admin-token", "")


def test_a_server_that_is_not_there_or_does_not_answer_is_said_so(
    folder: HubFolder, free_port: Callable[[], int], silent_port: int
) -> None:
    with pytest.raises(SeriesError, match="is the server running at --url"):
        run(folder, f"http://127.0.0.1:{free_port()}", admin="x")
    with pytest.raises(SeriesError, match=r"no answer within 0.2 s"):
        run(folder, f"http://127.0.0.1:{silent_port}", admin="x", timeout_s=0.2)


def test_a_database_that_is_mapped_elsewhere_is_left_alone(server: InfluxV2Server, folder: HubFolder) -> None:
    admin = server.own()
    server.state.dbrps.append({"id": "7", "bucketID": "elsewhere", "database": "sen", "default": True})
    with pytest.raises(SeriesError, match=r"mapped to another bucket.*choose another --bucket"):
        run(folder, server.url, admin=admin)


@pytest.fixture
def influx1(real_program: Callable[[str], str], tmp_path: Path) -> Iterator[InfluxServer]:
    (tmp_path / "influx").mkdir()
    made = InfluxServer(program=real_program("influxd"), folder=tmp_path / "influx", asks_for_passwords=True)
    yield made
    made.stop()


async def test_influxdb_1_gets_databases_retention_and_a_user_who_may_no_more(
    influx1: InfluxServer, folder: HubFolder
) -> None:
    influx1.query("CREATE USER boss WITH PASSWORD 'secret' WITH ALL PRIVILEGES")
    with pytest.raises(SeriesError, match="asks for passwords: give --admin-token-file"):
        run(folder, influx1.url, kind=SeriesKind.INFLUXDB1)
    with pytest.raises(SeriesError, match="401 authorization failed"):
        run(folder, influx1.url, kind=SeriesKind.INFLUXDB1, admin="boss:wrong")
    told = run(folder, influx1.url, kind=SeriesKind.INFLUXDB1, admin="boss:secret")
    assert any("database sen_1h, kept 3653 days" in line for line in told)
    assert run(folder, influx1.url, kind=SeriesKind.INFLUXDB1, admin="boss:secret") == []

    opened = open_folder(folder.path)
    password = opened.secret("secrets/influx.password")
    assert not any(password in line for line in told)
    for level in Level:
        store = make_series(opened, level)
        assert (await store.write(sheets_of([point()]))).unknown is None
        assert await store.count_points("gw-1") == 1
        await store.close()

    for level in Level:
        await check_reader(influx1, opened, bucket_of("sen", level))
    assert "error" in asked(influx1, "CREATE DATABASE other", ("sen", password))
    assert "error" in asked(influx1, "DROP DATABASE sen", ("sen", password))
    assert '"autogen","2160h0m0s"' in asked(influx1, "SHOW RETENTION POLICIES ON sen", ("boss", "secret"))


async def check_reader(server: InfluxServer, opened: HubFolder, database: str) -> None:
    """What the panels show may read, and neither write nor remove."""
    config = opened.config.grafana
    assert (config.read_username, config.read_password_file) == ("sen-read", "secrets/influx-read.password")
    path = opened.file("secrets/influx-read.password")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    user = ("sen-read", path.read_text(encoding="utf-8").strip())
    async with httpx.AsyncClient(base_url=server.url, auth=user) as client:
        question = {"db": database, "q": "SELECT voltage FROM power"}
        assert '"values":[[' in (await client.get("/query", params=question)).text
        refused = await client.post("/write", params={"db": database}, content=b"power voltage=2")
        assert refused.status_code == 403, refused.text
        assert "not authorized to write" in refused.text
        for statement in ("DROP SERIES FROM power", f"DROP DATABASE {database}", "CREATE DATABASE other"):
            told = await client.post("/query", params={"db": database, "q": statement})
            assert "error" in told.text, statement


def asked(server: InfluxServer, statement: str, user: tuple[str, str]) -> str:
    return httpx.post(f"{server.url}/query", params={"q": statement}, auth=user).text


def point() -> Point:
    # Young enough for every retention.
    return Point(
        measurement="power", site="hall", gateway="gw-1", device="meter-1", group="main", mode=Mode.LIVE,
        time_ns=4_000_000_000_000_000_000, fields={"voltage": 1.0}, qualities={"voltage": Quality.GOOD},
    )  # fmt: skip


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port that takes connections and never says a word."""
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        door.listen()
        yield int(door.getsockname()[1])
