"""What the documents show works: their files are accepted, their commands exist."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from hub.config import open_folder

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = (
    "README.md",
    "docs/gateway.md",
    "docs/technician.md",
    "docs/write-a-profile.md",
    "docs/hub.md",
    "docs/deploy.md",
    "docs/operator.md",
    "docs/library.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
)
MODULES = {"sen-edge": "edge", "sen-hub": "hub", "sen-profile": "device_profiles"}


def code_blocks(document: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", (ROOT / document).read_text(), flags=re.DOTALL | re.MULTILINE)


def shown_commands() -> list[tuple[str, str]]:
    """Every (command, verb) that a document shows."""
    text = "\n".join((ROOT / document).read_text() for document in DOCUMENTS)
    return sorted(set(re.findall(r"\b(sen-(?:edge|hub|profile)) ([a-z][a-z-]+)", text)))


@pytest.mark.parametrize(("command", "verb"), shown_commands())
def test_every_command_shown_exists_and_explains_itself(command: str, verb: str) -> None:
    shown = subprocess.run(
        [sys.executable, "-m", MODULES[command], verb, "--help"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert shown.returncode == 0, shown.stderr
    assert "Usage" in shown.stdout


def test_the_gateway_file_of_the_guide_is_accepted(tmp_path: Path) -> None:
    (block,) = code_blocks("docs/gateway.md", "yaml")
    (tmp_path / "gateway.yaml").write_text(block)
    (tmp_path / "gw-north.password").write_text("secret\n")
    checked = subprocess.run(
        [sys.executable, "-m", "edge.configure", str(tmp_path / "gateway.yaml")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_hub_files_of_the_guide_are_accepted(tmp_path: Path) -> None:
    alone, one_of_several = code_blocks("docs/hub.md", "yaml")
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "http.token").write_text("secret\n")
    (tmp_path / "hub.yaml").write_text(alone)
    assert open_folder(tmp_path).config.http.port == 8080
    (tmp_path / "hub.yaml").write_text(one_of_several)
    assert open_folder(tmp_path).config.workers.shared
