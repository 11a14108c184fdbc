"""The commands of `sen-hub`: one file a subject."""

import typer

from hub.commands import audit, dead_letters, gateway, grafana, series, serving, site, storage

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Make, run and look at a hub. DIR is the hub's folder, or its hub.yaml.",
    epilog="Example: sen-hub init /srv/sen && sen-hub serve /srv/sen",
)
app.command(epilog="Example: sen-hub init /srv/sen")(serving.init)
app.command(epilog="Example: sen-hub serve /srv/sen")(serving.serve)
app.command(epilog="Example: sen-hub status /srv/sen --json")(serving.status)
app.command(epilog="Example: sen-hub audit /srv/sen --day 2026-11-27")(audit.audit)
app.add_typer(gateway.app, name="gateway")
app.add_typer(series.app, name="series")
app.add_typer(storage.app, name="storage")
app.add_typer(dead_letters.app, name="dead-letters")
app.add_typer(dead_letters.breaker, name="breaker")
app.add_typer(grafana.app, name="grafana")
app.add_typer(site.app, name="site")
