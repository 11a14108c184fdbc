"""Bring panels and alert rules to Grafana. The only part of the hub that knows what they show."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from hub.commands.asking import Folder, fail

if TYPE_CHECKING:
    from grafana.alerting import Contact
    from grafana.centre import Centre
    from grafana.sources import Influx
    from hub.config import HubFolder
    from hub.panels.client import GrafanaClient
    from hub.panels.wanted import Item

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Bring panels, alert rules and contacts to Grafana 10 to 13."
)
Url = Annotated[str | None, typer.Option("--url", help="Grafana, instead of grafana.url of hub.yaml.")]
TokenFile = Annotated[
    Path | None, typer.Option("--token-file", help="A file with a service account token, role Admin.")
]
_LOOPBACK: Final = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104 - shown, not bound


@app.command("export", epilog="Example: sen-hub grafana export /srv/sen /etc/grafana/provisioning")
def export(
    folder: Folder,
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Grafana's provisioning folder, or any other.")],
    secrets_dir: Annotated[
        Path | None,
        typer.Option("--secrets-dir", help="Where Grafana finds the secret files; where hub.yaml has them otherwise."),
    ] = None,
    copy_secrets: Annotated[
        Path | None,
        typer.Option("--copy-secrets", metavar="DIR", help="Copy the secret files that Grafana needs, and no others."),
    ] = None,
    dashboards_dir: Annotated[
        Path | None, typer.Option("--dashboards-dir", help="Where Grafana finds the dashboards: OUT/sen-dashboards.")
    ] = None,
) -> None:
    """Write everything as files that Grafana provisions itself from. Secrets stay in their files."""
    from grafana import alerting, build
    from grafana.files import files
    from grafana.sources import sources
    from hub.config import open_folder, replace_secret

    opened = open_folder(folder)
    centre = _centre(opened)

    def secret(name: str) -> str:
        if copy_secrets is not None:
            copy_secrets.mkdir(mode=0o700, parents=True, exist_ok=True)
            replace_secret(copy_secrets / Path(name).name, opened.secret(name))
        place = opened.file(name) if secrets_dir is None else secrets_dir / Path(name).name
        return f"$__file{{{place}}}"

    contacts = _contacts(opened, secret)
    boards = build.boards(centre)
    texts = files(
        sources=[
            body | ({"secureJsonData": secrets} if secrets else {})
            for body, secrets in sources(_influx(opened, secret))
        ],
        dashboards=build.dashboards(centre),
        rules=alerting.rules(centre, boards),
        contacts=alerting.contact_points(contacts),
        policy=alerting.policy(contacts),
        dashboards_folder=str(dashboards_dir or (out / "sen-dashboards").resolve()),
    )
    for path, text in texts.items():
        file = out / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        print(f"wrote {file}")
    print("Grafana reads them when it starts; its user must be able to read the secret files they name")


@app.command(
    "sync", epilog="Example: sen-hub grafana sync /srv/sen --url http://127.0.0.1:3000 --token-file t --dry-run"
)
def sync(
    folder: Folder,
    url: Url = None,
    token_file: TokenFile = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the difference, and do nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do it without asking.")] = False,
) -> None:
    """Make a running Grafana have what Sen has: shows the difference first, touches nothing that is not Sen's."""
    from hub.panels.delivery import bring, difference

    with _client(folder, url, token_file) as (client, wanted):
        todo = difference(client, wanted)
        for change in todo:
            print(change.told())
        if not todo:
            print(f"nothing to do: {len(wanted)} objects are there as they should be")
            return
        if dry_run:
            print(f"{len(todo)} changes; nothing was done (--dry-run)")
            return
        if not yes and not _agreed(len(todo)):
            fail("nothing was done")
        bring(client, todo, done=lambda change: print(f"done: {change.told()}"))
    print("a secret that only changed in its file is not seen as a difference: remove its object in Grafana, then sync")


@app.command("check", epilog="Example: sen-hub grafana check /srv/sen")
def check(folder: Folder, url: Url = None, token_file: TokenFile = None) -> None:
    """Say what is missing in Grafana, edited by hand, or left over. Exit code 1 where something is."""
    from hub.panels.delivery import difference
    from hub.panels.wanted import Act

    said = {Act.MAKE: "missing", Act.CHANGE: "edited by hand, or of another version", Act.REMOVE: "left over"}
    with _client(folder, url, token_file) as (client, wanted):
        found = difference(client, wanted)
    for change in found:
        print(f"{said[change.act]}: {change.item.kind} {change.item.uid} ({change.item.title}) {change.why}".rstrip())
    if found:
        fail(f"{len(found)} of {len(wanted)} objects differ: sen-hub grafana sync {folder}")
    print(f"{len(wanted)} objects are there as they should be")


@app.command("guide", epilog="Example: sen-hub grafana guide --language vi > panels.md")
def guide(language: Annotated[str, typer.Option("--language", help="vi or en.")] = "en") -> None:
    """Print what each panel and alarm says and what to do, as Markdown."""
    from grafana.centre import Centre
    from grafana.guide import operator_guide
    from grafana.texts import Language

    if language not in set(Language):
        fail(f"--language: found {language!r}, expected vi or en")
    print(operator_guide(Centre(language=Language(language))), end="")


def _agreed(count: int) -> bool:
    if not sys.stdin.isatty():
        fail(f"{count} changes wait: show agreement with --yes, or look with --dry-run")
    return typer.confirm(f"Do these {count} changes?")


@contextmanager
def _client(folder: Path, url: str | None, token_file: Path | None) -> "Iterator[tuple[GrafanaClient, list[Item]]]":
    from hub.config import open_folder
    from hub.panels.client import GrafanaClient

    opened = open_folder(folder)
    config = opened.config.grafana
    address = url or config.url
    if address is None:
        fail(f"which Grafana? --url http://..., or grafana.url in {opened.path / 'hub.yaml'}")
    name = str(token_file.resolve()) if token_file else config.token_file
    if name is None:
        fail(
            "no token: --token-file FILE, or grafana.token_file in hub.yaml (Grafana: Administration, Service accounts)"
        )
    wanted = _wanted(opened)
    client = GrafanaClient(address, token=opened.secret(name))
    try:
        yield client, wanted
    finally:
        client.close()


def _wanted(opened: "HubFolder") -> "list[Item]":
    from grafana import alerting, build
    from grafana.files import FOLDER as FOLDER_TITLE
    from grafana.sources import sources
    from hub.panels.wanted import FOLDER, Kind, item

    centre = _centre(opened)
    contacts = _contacts(opened, opened.secret)
    points = alerting.contact_points(contacts)
    found = [item(Kind.FOLDER, FOLDER, FOLDER_TITLE, {"title": FOLDER_TITLE})]
    found += [
        item(Kind.SOURCE, body["uid"], body["name"], body, secrets)
        for body, secrets in sources(_influx(opened, opened.secret))
    ]
    for board in build.dashboards(centre):
        # Grafana numbers dashboards itself.
        body = {key: value for key, value in board.items() if key not in {"id", "version"}}
        found.append(item(Kind.DASHBOARD, board["uid"], board["title"], body))
    for contact, point in zip(contacts, points, strict=True):
        body = point | {"settings": dict(contact.settings)}
        found.append(item(Kind.CONTACT, point["uid"], point["name"], body, contact.secrets))
    rules = alerting.rules(centre, build.boards(centre))
    found += [item(Kind.RULE, rule["uid"], rule["title"], rule) for rule in rules]
    branch = alerting.policy(contacts)
    return found if branch is None else [*found, item(Kind.POLICY, FOLDER, "what bears our label", branch)]


def _centre(opened: "HubFolder") -> "Centre":
    from grafana.centre import AlarmLevels, Centre
    from grafana.texts import Language
    from hub.api.access import MAP, map_key_of

    config = opened.config.grafana
    http = opened.config.http
    hub_url = config.hub_url or f"http://{_LOOPBACK.get(http.host, http.host)}:{http.port}"
    return Centre(
        language=Language(config.language.value),
        timezone=config.timezone,
        map_url=f"{hub_url.rstrip('/')}{MAP}/{map_key_of(opened.http_token)}",
        grafana_url=(config.public_url or config.url or "").rstrip("/"),
        alarm_levels=[
            AlarmLevels(
                site=one.site,
                device=one.device,
                key=one.key,
                levels_m=(one.levels_m[0], one.levels_m[1], one.levels_m[2]),
                source=one.source,
            )
            for one in config.alarm_levels
        ],
    )


def _influx(opened: "HubFolder", secret: Callable[[str], str]) -> "Influx":
    from grafana.sources import Influx
    from hub.config import ConfigError, SeriesKind

    series, config = opened.config.series, opened.config.grafana
    url = config.influx_url or series.url
    if series.kind is SeriesKind.EMBEDDED or url is None:
        raise ConfigError(
            f"{opened.path / 'hub.yaml'}: series.kind is {series.kind}, which Grafana cannot read; set series to "
            f"influxdb2 or "
            "influxdb1 (see docs/deploy.md)"
        )
    return Influx(
        url=url,
        bucket=series.bucket or "sen",
        token=secret(config.read_token_file) if config.read_token_file else None,
        username=config.read_username,
        password=secret(config.read_password_file) if config.read_password_file else None,
    )


def _contacts(opened: "HubFolder", secret: Callable[[str], str]) -> "list[Contact]":
    from grafana.alerting import Contact
    from grafana.rule import Severity

    return [
        Contact(
            name=one.name,
            type=one.type,
            settings=one.settings,
            secrets={key: secret(name) for key, name in one.secret_files.items()},
            severities=[Severity(severity.value) for severity in one.severities],
        )
        for one in opened.config.grafana.contacts
    ]
