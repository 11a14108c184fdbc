"""The rules of the house that no linter knows."""

import re
import subprocess
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from wire.topics import Down, Up

ROOT = Path(__file__).resolve().parent.parent
OUR_PACKAGES = ("wire", "device_profiles", "firmware_bridge", "edge", "hub", "grafana")
MAX_MODULE_LINES = 400
FORBIDDEN_NAMES = {"utils", "util", "common", "core", "helpers", "helper", "misc", "base_classes"}


def tracked_files() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode != 0:
        pytest.skip("not a git checkout: the files of the house are unknown")
    return [ROOT / line for line in listed.stdout.splitlines() if (ROOT / line).is_file()]


def python_modules() -> list[Path]:
    return [path for path in tracked_files() if path.suffix == ".py"]


def test_no_module_is_longer_than_400_lines() -> None:
    long = {
        str(path.relative_to(ROOT)): lines
        for path in python_modules()
        if (lines := len(path.read_text().splitlines())) > MAX_MODULE_LINES
    }
    assert long == {}


def test_no_drawer_for_odds_and_ends() -> None:
    assert [path for path in python_modules() if path.stem in FORBIDDEN_NAMES] == []


def test_every_door_has_a_sign() -> None:
    unsigned = [
        str(path.relative_to(ROOT))
        for path in python_modules()
        if path.name == "__init__.py" and "tests" not in path.parts and not path.read_text().startswith('"""')
    ]
    assert unsigned == []


def test_our_package_names_belong_to_no_other_distribution() -> None:
    owners = packages_distributions()
    foreign = {name: owners[name] for name in OUR_PACKAGES if set(owners.get(name, [])) - {"sen"}}
    assert foreign == {}


@pytest.mark.parametrize("document", ["ARCHITECTURE.md", "README.md", "CONTRIBUTING.md"])
def test_every_path_a_document_names_exists(document: str) -> None:
    text = (ROOT / document).read_text()
    named = set(re.findall(r"`((?:[\w.-]+/)+[\w.-]*)`", text))
    top = {path.name for path in ROOT.iterdir() if path.is_dir()}
    ours = {name for name in named if name.split("/")[0] in top}
    assert ours, "the document names no path of the project: the pattern is wrong"
    assert sorted(name for name in ours if not (ROOT / name).exists()) == []


def test_every_dependency_has_its_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    groups = [
        project["project"]["dependencies"],
        *project["project"]["optional-dependencies"].values(),
        *project["dependency-groups"].values(),
    ]
    names = {re.split(r"[\[<>=;]", line)[0] for group in groups for line in group} - {"sen"}
    reasons = (ROOT / "docs" / "dependencies.md").read_text()
    assert sorted(name for name in names if f"`{name}`" not in reasons) == []


def test_every_dependency_is_locked_with_its_hash() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    requirements = re.findall(r"^([\w.-]+)==\S+.*\\$", lock, flags=re.MULTILINE)
    assert len(requirements) > 20
    assert len(re.findall(r"--hash=sha256:", lock)) >= len(requirements)
    assert "http://" not in lock
    assert "https://" not in lock


def test_the_decision_records_are_numbered_without_gaps() -> None:
    numbers = sorted(int(path.name[:4]) for path in (ROOT / "docs" / "adr").glob("[0-9]*.md"))
    assert numbers == list(range(1, len(numbers) + 1))


def test_every_make_verb_is_documented() -> None:
    readme = (ROOT / "README.md").read_text()
    verbs = ("setup", "demo", "test", "check", "bench", "soak", "clean")
    assert [verb for verb in verbs if f"make {verb}" not in readme] == []


def test_every_topic_is_documented() -> None:
    architecture = (ROOT / "ARCHITECTURE.md").read_text()
    topics = [f"up/<gateway>/{leaf}" for leaf in Up] + [f"dn/<gateway>/{leaf}" for leaf in Down]
    assert [topic for topic in topics if topic not in architecture] == []
