"""The demonstration: a hub, two gateways and their field devices on this machine. `--help` says what it can do."""

import runpy
import sys
from pathlib import Path

# Started as a file, Python looks for modules beside it; they are named from the top of the checkout.
sys.path[0] = str(Path(__file__).resolve().parents[2])
runpy.run_module("deploy.demo.runner", run_name="__main__", alter_sys=True)
