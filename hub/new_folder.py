"""A new hub's folder: its settings with their defaults, and its secrets, drawn anew."""

import secrets
from pathlib import Path
from typing import Final

from hub.config import CONFIG_NAME, HTTP_TOKEN, HUB_PASSWORD, ConfigError, write_secret

_SECRET_BYTES: Final = 32


def make_folder(path: Path) -> list[Path]:
    """Make what a hub's folder needs and leave alone what is there; returns what was made.

    Raises:
        ConfigError: the folder cannot be written.
    """
    made: list[Path] = []
    try:
        for folder in (path, path / "secrets", path / "broker"):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        files = [path / name for name in (HTTP_TOKEN, HUB_PASSWORD)]
        made += [file for file in files if write_secret(file, secrets.token_urlsafe(_SECRET_BYTES))]
        file = path / CONFIG_NAME
        if not file.exists():
            file.write_text(_TEMPLATE, encoding="utf-8")
            made.append(file)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}; choose a folder that this user may write") from error
    return made


_TEMPLATE: Final = """\
# The hub's settings. What stands here are the defaults; `docs/hub.md` explains each key.
# Paths are relative to this file. Secrets stand in files of their own that only the hub's user may read.

# The page and the API. On another address than this machine's own (127.0.0.1), everything asks for the
# token in token_file: API clients send "Authorization: Bearer <token>", the page asks for it once.
http:
  host: 127.0.0.1
  port: 8080
  token_file: secrets/http.token

# Where gateways connect. For gateways on other machines: host 0.0.0.0, and TLS.
mqtt:
  host: 127.0.0.1
  port: 1883
  # tls: {port: 8883, certificate_file: tls/hub.crt, key_file: tls/hub.key}

# auto: Mosquitto where it is installed (apt install mosquitto), otherwise the embedded one.
# A broker that somebody else runs:
#   broker: {kind: url, url: "mqtts://broker.example:8883", username: sen.hub, password_file: secrets/broker.password}
broker:
  kind: auto            # auto | mosquitto | embedded | url

# embedded: one SQLite file in this folder. InfluxDB:
#   series: {kind: influxdb2, url: "http://127.0.0.1:8086", org: sen, bucket: sen, token_file: secrets/influx.token}
#   series: {kind: influxdb1, url: "http://127.0.0.1:8086", bucket: sen}
series:
  kind: embedded        # embedded | influxdb2 | influxdb1
  # how many days each level is kept; null is for ever
  retention: {raw_days: 90, five_minutes_days: 731, hourly_days: 3653}

# The province's day begins at midnight of this offset from UTC. Indices of stations that are not named here (as
# gateway/device) are marked as indicative: only quality-controlled stations may be published as the official index.
indicators:
  utc_offset_hours: 7
  reference_stations: []

# Default: registry.sqlite in this folder. Several hubs share a PostgreSQL:
#   registry: {url: "postgresql+psycopg://sen@db.example/sen"}
"""
