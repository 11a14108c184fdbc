"""The data sources: InfluxDB's three levels, asked in InfluxQL. Pure."""

from dataclasses import dataclass
from typing import Final

from grafana.influxql import FIVE_MINUTES, HOURLY, RAW
from grafana.render import LEVEL_NAMES, Json

_SUFFIX: Final = {RAW: "", FIVE_MINUTES: "_5m", HOURLY: "_1h"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Influx:
    """InfluxDB as Grafana reaches it, and as what reader. 2.x takes a token, 1.x a user and a password, or nothing."""

    url: str
    bucket: str
    token: str | None = None
    username: str | None = None
    password: str | None = None


def sources(influx: Influx) -> list[tuple[Json, dict[str, str]]]:
    """Each data source with its secrets."""
    return [(_source(uid, influx), _secrets(influx)) for uid in (RAW, FIVE_MINUTES, HOURLY)]


def _source(uid: str, influx: Influx) -> Json:
    options: Json = {"dbName": influx.bucket + _SUFFIX[uid], "httpMode": "POST", "timeInterval": "1s"}
    if influx.token is not None:
        options["httpHeaderName1"] = "Authorization"
    return {
        "uid": uid,
        "name": LEVEL_NAMES[uid],
        "type": "influxdb",
        "access": "proxy",
        "url": influx.url,
        "user": influx.username or "",
        "isDefault": False,
        "jsonData": options,
    }


def _secrets(influx: Influx) -> dict[str, str]:
    if influx.token is not None:
        return {"httpHeaderValue1": f"Token {influx.token}"}
    return {"password": influx.password} if influx.password is not None else {}
