"""The commands of `sen-edge` that end by themselves."""

import logging

import typer

from edge.commands import capture, doctor, logs, plan, running, scan, support

# What goes wrong is in what a command prints; the log is the agent's, which sets it up for itself.
logging.getLogger("edge").addHandler(logging.NullHandler())

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
app.command()(plan.plan)
app.command()(scan.scan)
app.command()(doctor.doctor)
app.command()(logs.logs)
app.command(name="support-bundle")(support.support_bundle)
app.command()(capture.capture)
