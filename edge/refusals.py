"""Which registers each device has refused, remembered over restarts: for the same profile and firmware they hold.

I1. The file is replaced whole or not at all; one that cannot be read is as none: the devices are asked again.
"""

import json
import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from device_profiles.modbus import ReadRequest, Table

_logger = logging.getLogger(__name__)
_FILE: Final = "refused-registers.json"
# device: {"of": profile and revision, "who": {what it tells of itself}, "groups": {group: [[table, address, count]]}}
_Plain = dict[str, Any]


class Refusals:
    """What the devices of one gateway have refused.

    Args:
        state_dir: where it is remembered; nowhere without one.
        kinds: of each device, what it must still be for its refusals to hold: profile and revision.
    """

    def __init__(self, state_dir: Path | None, kinds: Mapping[str, str]) -> None:
        self._path = None if state_dir is None else state_dir / _FILE
        self._kinds = kinds
        # Changed by remember and saved only.
        self._devices = self._read()
        self._is_saved = True
        self._who: dict[str, dict[str, str]] = {}

    def of(self, device: str, group: str) -> tuple[ReadRequest, ...]:
        """What a device is known to refuse of a group."""
        known = self._devices.get(device)
        if known is None or known["of"] != self._kinds.get(device):
            return ()
        return tuple(
            ReadRequest(table=Table(table), address=address, count=count)
            for table, address, count in known["groups"].get(group, ())
        )

    def remember(self, device: str, group: str, refused: Sequence[ReadRequest]) -> None:
        """A device refuses these of a group; kept on disk by the next `save`."""
        known = self._devices.get(device)
        if known is None or known["of"] != self._kinds.get(device):
            known = self._devices[device] = {"of": self._kinds.get(device), "groups": {}}
        known["who"] = self._who.get(device)
        known["groups"][group] = [[one.table, one.address, one.count] for one in refused]
        self._is_saved = False

    def identified(self, device: str, who: Mapping[str, str]) -> bool:
        """A device has told who it is: serial number, firmware. Whether it was another that refused: that is forgotten.

        Refusals learnt from a device that did not tell are taken for its own.
        """
        self._who[device] = dict(who)
        known = self._devices.get(device)
        if known is None or known.get("who") == who:
            return False
        self._is_saved = False
        if known.get("who") is None:
            known["who"] = dict(who)
            return False
        del self._devices[device]
        return True

    def save(self) -> None:
        """Write what is new to disk; blocks. Where that fails the devices are asked again after the next start."""
        if self._is_saved or self._path is None:
            return
        self._is_saved = True
        fresh = self._path.with_suffix(".new")
        try:
            with fresh.open("w", encoding="utf-8") as file:
                json.dump(self._devices, file)
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self._path)
        except OSError as error:
            _logger.warning("%s: %s; refused registers are found again after a restart", self._path, error.strerror)

    def _read(self) -> _Plain:
        if self._path is None:
            return {}
        try:
            devices: _Plain = json.loads(self._path.read_text(encoding="utf-8"))
            for known in devices.values():
                str(known["of"])
                for requests in known["groups"].values():
                    for table, address, count in requests:
                        ReadRequest(table=Table(table), address=address, count=count)
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            _logger.warning("%s: cannot be read (%s); the devices are asked again", self._path, error)
            return {}
        return devices
