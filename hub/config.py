"""The hub's folder: `hub.yaml`, which people write, the secrets beside it, and where everything else lies.

I1. Nothing has a default password: each secret stands in a file that only the owner may read.
"""

import ipaddress
import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Annotated, ClassVar, Final
from urllib.parse import urlsplit

from annotated_types import Interval, MinLen, Predicate

from device_profiles.fault_words import Broken
from device_profiles.faults import read_document
from device_profiles.yaml_tree import Path as KeyPath
from device_profiles.yaml_tree import YamlTree
from hub.grafana_config import URLS, GrafanaConfig, named_files

CONFIG_NAME: Final = "hub.yaml"
_STRICT: Final = {"extra": "forbid"}
HTTP_TOKEN: Final = "secrets/http.token"  # noqa: S105 - a file name
HUB_PASSWORD: Final = "secrets/hub-mqtt.password"  # noqa: S105 - a file name

Port = Annotated[int, Interval(ge=1, le=65535)]
Text = Annotated[str, MinLen(1)]
Station = Annotated[str, Predicate(lambda text: text.count("/") == 1)]
# As long as times fit their 64 bits.
Days = Annotated[int, Interval(ge=1, le=100_000)]


class ConfigError(Exception):
    """The hub's folder or file cannot be used: what, where, and what to do."""


class SeriesKind(StrEnum):
    """Where series are kept."""

    EMBEDDED = "embedded"
    INFLUXDB2 = "influxdb2"
    INFLUXDB1 = "influxdb1"


class BrokerKind(StrEnum):
    """Which broker stands between gateways and hub; `auto` is Mosquitto where it is installed, otherwise embedded."""

    AUTO = "auto"
    MOSQUITTO = "mosquitto"
    EMBEDDED = "embedded"
    URL = "url"


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpConfig:
    """Where the page and the API are."""

    __pydantic_config__: ClassVar = _STRICT

    host: Text = "127.0.0.1"
    port: Port = 8080
    token_file: Text = HTTP_TOKEN

    @property
    def needs_token(self) -> bool:
        """Whether others than this machine can reach it."""
        return not _is_loopback(self.host)


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsConfig:
    """The encrypted MQTT listener."""

    __pydantic_config__: ClassVar = _STRICT

    port: Port = 8883
    certificate_file: Text
    key_file: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class MqttConfig:
    """Where gateways find the hub's own broker."""

    __pydantic_config__: ClassVar = _STRICT

    host: Text = "127.0.0.1"
    port: Port = 1883
    tls: TlsConfig | None = None

    @property
    def is_open(self) -> bool:
        """Whether passwords may cross a network in the clear."""
        return not _is_loopback(self.host)


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerConfig:
    """Which broker. All but `kind` belongs to a broker that somebody else runs."""

    __pydantic_config__: ClassVar = _STRICT

    kind: BrokerKind = BrokerKind.AUTO
    url: Text | None = None
    username: Text | None = None
    password_file: Text | None = None
    ca_file: Text | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionConfig:
    """For how many days series are kept, by how fine they are; None is for ever."""

    __pydantic_config__: ClassVar = _STRICT

    raw_days: Days | None = 90
    five_minutes_days: Days | None = 731
    hourly_days: Days | None = 3653


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesConfig:
    """Where series are kept, and how long. All but `kind` and `retention` belongs to InfluxDB."""

    __pydantic_config__: ClassVar = _STRICT

    kind: SeriesKind = SeriesKind.EMBEDDED
    url: Text | None = None
    org: Text | None = None
    bucket: Text | None = None
    token_file: Text | None = None
    username: Text | None = None
    password_file: Text | None = None
    retention: RetentionConfig = RetentionConfig()


@dataclass(frozen=True, slots=True, kw_only=True)
class IndicatorsConfig:
    """What indicators need to know of the province.

    `utc_offset_hours` says when its day begins. `reference_stations` are those, as `gateway/device`, whose data are
    quality-controlled: an index of any other station is marked as indicative.
    """

    __pydantic_config__: ClassVar = _STRICT

    utc_offset_hours: Annotated[int, Interval(ge=-12, le=14)] = 7
    reference_stations: tuple[Station, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryConfig:
    """The registry's database as an SQLAlchemy URL; None is a SQLite file in the hub's folder."""

    __pydantic_config__: ClassVar = _STRICT

    url: Text | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkersConfig:
    """Whether several hubs share broker, registry and series, and after how long one takes a silent leader's place."""

    __pydantic_config__: ClassVar = _STRICT

    shared: bool = False
    lease_s: Annotated[int, Interval(ge=2, le=600)] = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class HubConfig:
    """What stands in `hub.yaml`. Paths are relative to the file."""

    __pydantic_config__: ClassVar = _STRICT

    http: HttpConfig = HttpConfig()
    mqtt: MqttConfig = MqttConfig()
    broker: BrokerConfig = BrokerConfig()
    series: SeriesConfig = SeriesConfig()
    indicators: IndicatorsConfig = IndicatorsConfig()
    registry: RegistryConfig = RegistryConfig()
    workers: WorkersConfig = WorkersConfig()
    grafana: GrafanaConfig = field(default_factory=GrafanaConfig)


@dataclass(frozen=True, slots=True, kw_only=True)
class HubFolder:
    """A hub's folder and what its file says."""

    path: Path
    config: HubConfig

    @property
    def broker(self) -> Path:
        """The folder of the hub's own broker."""
        return self.path / "broker"

    @property
    def users_file(self) -> Path:
        """Who may enter the hub's own broker."""
        return self.broker / "users"

    def series_file(self, suffix: str = "") -> Path:
        """The embedded series store of a level, which names its suffix."""
        return self.path / f"series{suffix}.sqlite"

    @property
    def windows_file(self) -> Path:
        """Which windows of the levels are to be put together again."""
        return self.path / "levels.sqlite"

    @property
    def lock_file(self) -> Path:
        """Held by the hub that runs on this folder."""
        return self.path / "hub.lock"

    @property
    def registry_url(self) -> str:
        """The registry's database."""
        return self.config.registry.url or f"sqlite+aiosqlite:///{self.path / 'registry.sqlite'}"

    def file(self, name: str) -> Path:
        """A file that `hub.yaml` names."""
        return self.path / name

    def secret(self, name: str) -> str:
        """What stands in a secret file.

        Raises:
            ConfigError: it cannot be read, or is empty.
        """
        path = self.file(name)
        try:
            text = path.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(
                f"secret file {path}: {error}; `sen-hub init` makes it anew where it is missing"
            ) from error
        if not text:
            raise ConfigError(f"secret file {path}: found nothing, expected one line with the secret")
        return text

    @property
    def http_token(self) -> str:
        """What an API client must show when the hub is reachable from other machines."""
        return self.secret(self.config.http.token_file)

    @property
    def hub_password(self) -> str:
        """The hub's own password at its own broker."""
        return self.secret(HUB_PASSWORD)


def open_folder(place: Path) -> HubFolder:
    """The hub's folder, named by itself or by its file.

    Raises:
        ConfigError: there is no such folder or file, or it cannot be read.
        FileFaults: everything wrong with the file, by line.
    """
    path = place / CONFIG_NAME if place.is_dir() else place
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigError(f"{path}: {reason}; `sen-hub init {place}` makes a hub's folder") from error
    folder = path.parent.resolve()

    def rules(tree: YamlTree) -> Iterator[Broken]:
        yield from _series_rules(tree)
        yield from _broker_rules(tree)
        yield from _workers_rules(tree)
        for url in URLS:
            yield from _url_rules(tree, url, {"http", "https"})
        yield from _file_rules(tree, folder)

    return HubFolder(path=folder, config=read_document(text, str(path), HubConfig, rules=rules))


def write_secret(path: Path, text: str) -> bool:
    """Write a file that only the owner may read; False, and nothing is written, where there is one already.

    Raises:
        OSError: it cannot be written.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return False
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(f"{text}\n")
    return True


def replace_secret(path: Path, text: str) -> None:
    """Write a file that only the owner may read, in place of the one that is there: all of it or nothing.

    Raises:
        OSError: it cannot be written.
    """
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    write_secret(new, text)
    new.replace(path)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


_SERIES_KEYS: Final = {
    SeriesKind.EMBEDDED: (frozenset[str](), frozenset[str]()),
    SeriesKind.INFLUXDB2: (frozenset({"url", "org", "bucket", "token_file"}), frozenset[str]()),
    SeriesKind.INFLUXDB1: (frozenset({"url"}), frozenset({"bucket", "username", "password_file"})),
}
_URL_KEYS: Final = (frozenset({"url"}), frozenset({"username", "password_file", "ca_file"}))
_OWN_KEYS: Final = (frozenset[str](), frozenset[str]())


def _series_rules(tree: YamlTree) -> Iterator[Broken]:
    kind = tree.at(("series", "kind")) or SeriesKind.EMBEDDED
    if kind in set(SeriesKind):
        yield from _key_rules(tree, "series", str(kind), *_SERIES_KEYS[SeriesKind(str(kind))], everywhere={"retention"})
    yield from _url_rules(tree, ("series", "url"), {"http", "https"})


def _broker_rules(tree: YamlTree) -> Iterator[Broken]:
    kind = tree.at(("broker", "kind")) or BrokerKind.AUTO
    if kind in set(BrokerKind):
        yield from _key_rules(tree, "broker", str(kind), *(_URL_KEYS if kind == BrokerKind.URL else _OWN_KEYS))
    yield from _url_rules(tree, ("broker", "url"), {"mqtt", "mqtts"})


def _workers_rules(tree: YamlTree) -> Iterator[Broken]:
    """What several hubs share is no hub's own."""
    if tree.at(("workers", "shared")) is not True:
        return
    series, broker = tree.at(("series", "kind")), tree.at(("broker", "kind"))
    own = [
        ("broker.kind url", broker == BrokerKind.URL),
        ("series.kind influxdb1 or influxdb2", series in {SeriesKind.INFLUXDB1, SeriesKind.INFLUXDB2}),
        ("a registry.url", isinstance(tree.at(("registry", "url")), str)),
    ]
    for needed, is_there in own:
        if not is_there:
            found = f"true without {needed}"
            yield Broken(path=("workers", "shared"), found=found, expected="broker, series and registry all hubs reach")


def _key_rules(
    tree: YamlTree,
    part: str,
    kind: str,
    needed: frozenset[str],
    allowed: frozenset[str],
    *,
    everywhere: Collection[str] = (),
) -> Iterator[Broken]:
    section = tree.at((part,))
    given = {key for key, value in section.items() if value is not None} if isinstance(section, dict) else set()
    for key in sorted(needed - given):
        yield Broken(path=(part, "kind"), found=f"kind {kind} without {key}", expected=f"{key} beside it")
    for key in sorted(given - needed - allowed - {"kind", *everywhere}):
        yield Broken(path=(part, key), found=f"{key} with kind {kind}", expected=f"no {key} for this kind")


def _url_rules(tree: YamlTree, path: KeyPath, schemes: set[str]) -> Iterator[Broken]:
    url = tree.at(path)
    if not isinstance(url, str):
        return
    try:
        parts = urlsplit(url)
        good = parts.scheme in schemes and bool(parts.hostname) and parts.port != 0 and not parts.username
    except ValueError:
        good = False
    if not good:
        wanted = " or ".join(f"{scheme}://host[:port]" for scheme in sorted(schemes))
        yield Broken(path=path, found=repr(url), expected=f"{wanted}, with no user in it")


def _file_rules(tree: YamlTree, folder: Path) -> Iterator[Broken]:
    named: tuple[KeyPath, ...] = (
        ("http", "token_file"),
        ("mqtt", "tls", "certificate_file"),
        ("mqtt", "tls", "key_file"),
        ("broker", "password_file"),
        ("broker", "ca_file"),
        ("series", "token_file"),
        ("series", "password_file"),
    )
    for path in (*named, *named_files(tree)):
        name = tree.at(path)
        if isinstance(name, str) and name and not (folder / name).is_file():
            yield Broken(path=path, found=f"{name!r}, which is not there", expected="a file, relative to this one")
