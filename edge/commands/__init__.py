"""The commands of `sen-edge` that end by themselves."""

import typer

from edge.commands import capture, doctor, logs, running, scan, support

app = typer.Typer(
    name="sen-edge",
    help="The gateway agent: reads devices and delivers every reading to the hub.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(running.run)
app.command()(running.status)
app.command()(running.read)
app.command()(running.write)
app.command(name="test")(running.one_cycle)
app.command()(scan.scan)
app.command()(doctor.doctor)
app.command()(logs.logs)
app.command(name="support-bundle")(support.support_bundle)
app.command()(capture.capture)
