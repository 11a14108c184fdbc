"""Profiles on disk: the library that comes with the project, and folders that go before it.

The only module of this package that reads files.
"""

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from device_profiles.capture import Capture, parse_capture
from device_profiles.lint import ProfileFiles
from device_profiles.model import DeviceProfile
from device_profiles.parse import parse_profile

LIBRARY: Final = Path(__file__).parent / "library"
BLUEPRINT: Final = Path(__file__).parent / "_blueprint.yaml"
LINES_BLUEPRINT: Final = Path(__file__).parent / "_blueprint_lines.yaml"
SCHEMA: Final = Path(__file__).parent / "profile.schema.json"

_PROFILE: Final = ".yaml"
_CAPTURE: Final = ".capture.yaml"


class LibraryError(Exception):
    """A profile that cannot be found or read; the text says where was looked and what is near."""


def profile_paths(folders: Sequence[Path] = ()) -> dict[str, Path]:
    """Every profile's file by its name `vendor/model`; of several the one in the earliest folder, the library last."""
    found: dict[str, Path] = {}
    for folder in (*folders, LIBRARY):
        for path in sorted(folder.glob(f"*/*{_PROFILE}")):
            if not path.name.endswith(_CAPTURE):
                found.setdefault(f"{path.parent.name}/{path.stem}", path)
    return dict(sorted(found.items()))


def profile_path(name: str, folders: Sequence[Path] = ()) -> Path:
    """The file of the profile called `vendor/model`.

    Raises:
        LibraryError: there is none.
    """
    paths = profile_paths(folders)
    if name in paths:
        return paths[name]
    near = difflib.get_close_matches(name, paths, n=3)
    hint = f"did you mean {' or '.join(near)}?" if near else "`sen-profile lint` lists what there is."
    places = ", ".join(str(folder) for folder in (*folders, LIBRARY))
    raise LibraryError(f"profile {name!r} was not found in {places}; {hint}")


def load_profile(name: str, folders: Sequence[Path] = ()) -> DeviceProfile:
    """The profile called `vendor/model`.

    Args:
        name: as in the file's `profile:`.
        folders: looked through before the library, each laid out as `<vendor>/<model>.yaml`.

    Raises:
        LibraryError: there is none, or it cannot be read.
        FileFaults: its file has faults.
    """
    path = profile_path(name, folders)
    return parse_profile(read_text(path), str(path))


def load_all(folders: Sequence[Path] = ()) -> dict[str, DeviceProfile]:
    """Every profile by its name.

    Raises:
        LibraryError: a file cannot be read.
        FileFaults: a file has faults.
    """
    return {name: parse_profile(read_text(path), str(path)) for name, path in profile_paths(folders).items()}


def capture_path(profile_file: Path) -> Path:
    """Where the capture of a profile's file lies."""
    return profile_file.with_name(profile_file.stem + _CAPTURE)


def load_capture(name: str, folders: Sequence[Path] = ()) -> Capture:
    """The capture of the profile called `vendor/model`.

    Raises:
        LibraryError: there is none, or it cannot be read.
        FileFaults: its file has faults.
    """
    path = capture_path(profile_path(name, folders))
    return parse_capture(read_text(path), str(path))


def profile_files(path: Path) -> ProfileFiles:
    """A profile's text and its capture's, for lint.

    Raises:
        LibraryError: the profile cannot be read.
    """
    capture = capture_path(path)
    return ProfileFiles(
        name=f"{path.parent.name}/{path.stem}",
        file=str(path),
        text=read_text(path),
        capture_file=str(capture),
        capture_text=read_text(capture) if capture.is_file() else None,
    )


def read_text(path: Path) -> str:
    """A file's text.

    Raises:
        LibraryError: it cannot be read, or is not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise LibraryError(f"{path}: cannot be read ({error})") from error
