"""What leaves the gateway helps, and holds no secret wherever one was put."""

import base64
import gzip
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from edge.diagnosis.fault_file import FAULT_FILE, FaultFile
from edge.diagnosis.redact import redacted
from tests.support.edge_files import COUNTER, GatewayFile, typed

SECRETS = ("hunter2-Broker", "Zm9v-url-pass", "tok_4711abcd", "k3y-in-comment", "MIIEvQIBADANBg")


def contents(bundle: Path) -> Mapping[str, bytes]:
    with tarfile.open(bundle) as tar:
        return {
            member.name.split("/", 1)[1]: file.read()
            for member in tar.getmembers()
            if (file := tar.extractfile(member)) is not None
        }


def gateway_with_secrets_everywhere(folder: Path) -> Path:
    broker, url, token, key, pem = SECRETS
    config = GatewayFile(
        folder=folder,
        buses=["bus: lan, kind: modbus-tcp, host: 127.0.0.1, tcp_port: 1"],
        devices=[f"device: tcp-1, bus: lan, profile: {COUNTER}, unit: 1"],
    ).write()
    text = config.read_text().replace("mqtt://127.0.0.1:1", "mqtt://127.0.0.1:1")
    hub = '", username: gw-1, password_file: gw-1.password}'
    config.write_text(
        text.replace('"}\nspool', f"{hub}\nspool")
        + f"# the old password: {key}\n# once: mqtts://gw-1:{url}@hub.example:8883\n# api_token = '{token}'\n"
        + f"# -----BEGIN PRIVATE KEY-----\n# {pem}\n# -----END PRIVATE KEY-----\n"
    )
    (folder / "gw-1.password").write_text(f"{broker}\n")
    (folder / "hub.token").write_text(f"{token}\n")
    state = folder / "state"
    state.mkdir()
    raw = broker.encode()
    FaultFile(state / FAULT_FILE).append(
        [
            {
                "time_ms": 1, "device": "tcp-1", "bus": "lan", "kind": "garbled", "repeats": 0,
                "text": f"login {broker} at http://admin:{url}@10.0.0.1/ with Bearer {token}",
                "frames": [
                    {"at_ms": 0.0, "dir": "sent", "bytes": (b"LOGIN " + raw).hex(" ")},
                    {"at_ms": 1.0, "dir": "heard", "bytes": base64.b64encode(b"gw-1:" + raw).decode()},
                ],
            }
        ]
    )  # fmt: skip
    profile = folder / "profiles" / "test" / "counter.yaml"
    profile.write_text(f"{profile.read_text()}# secret: {key}\n")
    return config


def test_no_secret_is_in_a_bundle_wherever_it_was_put(tmp_path: Path) -> None:
    config = gateway_with_secrets_everywhere(tmp_path)
    bundle = tmp_path / "out.tar.gz"
    said = typed("support-bundle", str(config), "--to", str(bundle), "--json")
    assert said.code == 0, said.err
    assert said.told["bytes"] == bundle.stat().st_size
    whole = gzip.decompress(bundle.read_bytes())
    for secret in SECRETS:
        raw = secret.encode()
        for form in (raw, raw.hex().encode(), raw.hex(" ").encode(), base64.b64encode(raw).rstrip(b"=")[:-1]):
            assert form not in whole, secret
    assert base64.b64encode(b"gw-1:" + SECRETS[0].encode()) not in whole


def test_a_bundle_holds_what_helps(tmp_path: Path) -> None:
    config = gateway_with_secrets_everywhere(tmp_path)
    bundle = tmp_path / "out.tar.gz"
    assert typed("support-bundle", str(config), "--to", str(bundle)).code == 0
    parts = contents(bundle)
    assert {"gateway.yaml", "faults.jsonl", "status.json", "versions.json", "machine.json", "ports.json"} <= set(parts)
    assert "profiles/test/counter.yaml" in parts
    assert b"device: tcp-1" in parts["gateway.yaml"]
    assert b"password_file: gw-1.password" in parts["gateway.yaml"]
    assert json.loads(parts["versions.json"])["packages"]["pydantic"]
    assert json.loads(parts["faults.jsonl"])["device"] == "tcp-1"
    assert json.loads(parts["machine.json"])["free_bytes"] > 0
    assert parts["status.json"].startswith(b"not to be had: no agent runs here")


def test_a_gateway_file_with_faults_is_packed_with_them(tmp_path: Path) -> None:
    config = gateway_with_secrets_everywhere(tmp_path)
    config.write_text(config.read_text().replace("site: hall", "site: Hall 1"))
    bundle = tmp_path / "out.tar.gz"
    assert typed("support-bundle", str(config), "--to", str(bundle)).code == 0
    parts = contents(bundle)
    assert b"site: found 'Hall 1'" in parts["configuration-faults.txt"]
    assert b"site: Hall 1" in parts["gateway.yaml"]
    assert SECRETS[0].encode() not in gzip.decompress(bundle.read_bytes())


def test_a_place_that_cannot_be_written_is_told_in_one_line(tmp_path: Path) -> None:
    config = gateway_with_secrets_everywhere(tmp_path)
    said = typed("support-bundle", str(config), "--to", str(tmp_path / "none" / "x.tar.gz"))
    assert said.code == 1
    assert "name another file with --to" in said.err
    assert len(said.err.splitlines()) == 1


WORDS = st.text("abcdefghijklmnopqrstuvwxyzABCDEF0123456789-_!", min_size=6, max_size=20)


@given(WORDS, st.text(max_size=40), st.text(max_size=40))
def test_a_known_secret_is_taken_out_of_any_text(secret: str, before: str, after: str) -> None:
    raw = before.encode("utf-8", "replace") + secret.encode() + after.encode("utf-8", "replace")
    text = f"{before}{secret}{after} {raw.hex()} {secret.encode().hex(' ')}"
    told = redacted(text, [secret])
    assert secret not in told
    assert secret.encode().hex() not in told
    assert secret.encode().hex(" ") not in told


@given(st.binary(max_size=7), WORDS, st.binary(max_size=7))
def test_a_secret_inside_something_in_base64_is_taken_out(before: bytes, secret: str, after: bytes) -> None:
    told = redacted(base64.b64encode(before + secret.encode() + after).decode(), [secret])
    assert "***" in told


@given(st.text("abcdefgh \n:{}[],0123456789.#-", max_size=200))
def test_a_text_without_secrets_stays_as_it_is(text: str) -> None:
    assert redacted(text, []) == text


def test_what_is_named_like_a_secret_is_taken_out_and_file_names_stay() -> None:
    text = 'hub: {password: abc, password_file: gw.password, "api_key": "x y"}\ntoken = q1\nauth: z'
    assert redacted(text) == 'hub: {password: ***, password_file: gw.password, "api_key": ***}\ntoken = ***\nauth: ***'
