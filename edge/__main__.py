"""`sen-edge`: what a technician types.

`run` stays resident and therefore loads neither the command-line library nor anything else it does not need.
"""

import importlib
import sys
from pathlib import Path

_INTERRUPTED = 130  # what shells expect of a program that Ctrl-C ended
_RUN_HELP = """\
Usage: sen-edge run [--verbose] CONFIG

  The agent: reads the devices of the gateway file CONFIG and delivers every reading, until SIGTERM or Ctrl-C.

  Example: sen-edge run /etc/sen/gateway.yaml
"""


def main() -> None:
    """Run one command; the exit code is 0 only where it succeeded."""
    try:
        if sys.argv[1:2] == ["run"]:
            sys.exit(_run(sys.argv[2:]))
        importlib.import_module("edge.commands").app(prog_name="sen-edge")
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)


def _run(arguments: list[str]) -> int:
    if "--help" in arguments:
        print(_RUN_HELP, end="")
        return 0
    files = [argument for argument in arguments if not argument.startswith("-")]
    options = {argument for argument in arguments if argument.startswith("-")}
    if len(files) != 1 or options - {"--verbose"}:
        print(f"sen-edge run: found {' '.join(arguments) or 'nothing'}, expected one gateway file", file=sys.stderr)
        print(_RUN_HELP, end="", file=sys.stderr)
        return 2
    from edge.app import run_gateway

    return run_gateway(Path(files[0]), verbose="--verbose" in options)


if __name__ == "__main__":
    main()
