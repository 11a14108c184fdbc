"""`sen-hub`: make, run and look at a hub."""

import sys

from hub.commands import app


def main() -> None:
    """Run a command: exit code 0 only where all is well, and no traceback for anything a user can type."""
    from device_profiles.faults import FileFaults
    from hub.broker.base import BrokerError
    from hub.config import ConfigError
    from wire.errors import WireError

    try:
        app()
    except (ConfigError, FileFaults, BrokerError, WireError) as error:
        sys.exit(str(error))
    except OSError as error:
        sys.exit(f"{error.filename or 'output'}: {error.strerror}")
    except Exception as error:
        # The heavy modules that own these errors are imported by the commands that can raise them.
        if {"GrafanaError", "HubSilent", "RegistryError", "SeriesError"} & {
            kind.__name__ for kind in type(error).__mro__
        }:
            sys.exit(str(error))
        raise


if __name__ == "__main__":
    main()
