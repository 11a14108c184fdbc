"""The walk-throughs are walked: their files are written, their commands run, and they print what the page shows."""

import fnmatch
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MODULES = {"sen-edge": "edge", "sen-hub": "hub", "sen-profile": "device_profiles"}
PAGES = ("docs/write-a-profile.md",)
_BLOCK = re.compile(r"^```(yaml|console)\n(.*?)^```", re.DOTALL | re.MULTILINE)
_WITHIN_S = 60


@dataclass(frozen=True)
class Shown:
    """A command of a page, and the lines that it prints there; `...` stands for any lines."""

    command: str
    lines: list[str]


def commands_of(block: str) -> Iterator[Shown]:
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        command, *lines = part.rstrip("\n").split("\n")
        yield Shown(command, lines)


class Walk:
    """A person at a terminal, in a folder of his own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._environment = os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": "200"}
        self._background: subprocess.Popen[str] | None = None

    def write(self, block: str) -> None:
        head, text = block.split("\n", 1)
        path = self._folder / head.removeprefix("# file: ")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def run(self, shown: Shown) -> None:
        if shown.command.startswith("kill "):
            self.end()
            return
        words = shlex.split(shown.command)
        is_background = words[-1] == "&"
        words = [word for word in words if word != "&"]
        command = [sys.executable, "-m", MODULES[words[0]], *words[1:]] if words[0] in MODULES else words
        if is_background:
            self._background = subprocess.Popen(
                command,
                cwd=self._folder,
                env=self._environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            assert self._background.stdout is not None
            assert self._background.stdout.readline().rstrip("\n") == shown.lines[0]
            return
        done = subprocess.run(
            command,
            cwd=self._folder,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_WITHIN_S,
            check=False,
        )
        expected = "\n".join(shown.lines).replace("[", "[[]").replace("...", "*")
        assert fnmatch.fnmatchcase(done.stdout.rstrip("\n"), expected), f"$ {shown.command}\n{done.stdout}"

    def end(self) -> None:
        if self._background is not None:
            self._background.terminate()
            self._background.communicate(timeout=_WITHIN_S)
            self._background = None


@pytest.mark.parametrize("page", PAGES)
def test_the_page_can_be_walked_from_its_first_command_to_its_last(page: str, tmp_path: Path) -> None:
    walk = Walk(tmp_path)
    ran = 0
    try:
        for language, block in _BLOCK.findall((ROOT / page).read_text()):
            if language == "yaml":
                walk.write(block)
                continue
            for shown in commands_of(block):
                walk.run(shown)
                ran += 1
    finally:
        walk.end()
    assert ran > 5
