"""The profiles that a gateway file names: found in the library or beside the file, each read once."""

from pathlib import Path

from device_profiles.faults import Fault, FileFaults
from device_profiles.library import LibraryError, load_profile, profile_paths, read_text
from device_profiles.model import DeviceProfile
from device_profiles.yaml_tree import read_tree


class NamedProfiles:
    """The profiles a gateway file names, each read once."""

    def __init__(self, beside: Path) -> None:
        self._folders = [beside] if beside.is_dir() else []
        self.names = profile_paths(self._folders)
        self.good: dict[str, DeviceProfile] = {}
        self.faults: list[Fault] = []
        self._bad: set[str] = set()

    def get(self, name: str) -> DeviceProfile | None:
        """The profile, or None where it is bad; its faults are kept."""
        if name not in self.good and name not in self._bad:
            faults = self._read(name)
            if faults:
                self._bad.add(name)
                self.faults.extend(faults)
        return self.good.get(name)

    def _read(self, name: str) -> tuple[Fault, ...]:
        """Keep the profile; its faults where it has any."""
        file = self.names[name]
        try:
            profile = load_profile(name, self._folders)
        except FileFaults as faults:
            return faults.faults
        except LibraryError as error:
            found = f"what cannot be read ({error.__cause__})"
            return (Fault(file=str(file), line=1, where="", found=found, expected="a profile"),)
        if profile.profile != name:
            line = read_tree(read_text(file)).line_of(("profile",))
            expected = f"{name!r}, as the file's path says"
            return (Fault(file=str(file), line=line, where="profile", found=repr(profile.profile), expected=expected),)
        self.good[name] = profile
        return ()
