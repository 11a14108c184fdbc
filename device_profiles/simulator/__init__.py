"""Devices of profiles at work on lines of this machine, with faults on demand: for trying out and for tests."""
