"""The dashboards against the types that Grafana publishes (`@grafana/schema`), judged by TypeScript's compiler."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from grafana.build import dashboards
from grafana.centre import Centre
from grafana.render import Json

pytestmark = pytest.mark.real
HERE = Path(__file__).resolve().parent / "types"
_HEAD = """import type { Dashboard } from '@grafana/schema';

// In TypeScript a member of an enum is a type of its own; in JSON it is the text or the number.
type Plain<T> = T extends string ? `${T}`
  : T extends number | boolean | null | undefined ? T
  : T extends Array<infer One> ? Array<Plain<One>>
  : T extends object ? { [Key in keyof T]: Plain<T[Key]> } : T;

"""
_OPTIONS = [
    "--noEmit",
    "--strict",
    "--skipLibCheck",
    "--module",
    "nodenext",
    "--moduleResolution",
    "nodenext",
    "--target",
    "es2022",
]


@pytest.fixture(scope="module")
def compiler(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the compiler and the types, installed as the lock says."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not installed: Grafana's published types cannot be had")
    folder = tmp_path_factory.mktemp("types")
    for name in ("package.json", "package-lock.json"):
        shutil.copy(HERE / name, folder)
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    installed = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=240)
    if installed.returncode != 0:
        pytest.skip(f"npm could not install Grafana's published types: {installed.stderr.strip()[-200:]}")
    return folder


def judged(compiler: Path, boards: list[Json]) -> str:
    """What the compiler says of these dashboards."""
    lines = [
        f"export const board{number} = {json.dumps(board)} satisfies Plain<Partial<Dashboard>>;\n"
        for number, board in enumerate(boards)
    ]
    (compiler / "boards.ts").write_text(_HEAD + "".join(lines))
    command = [str(compiler / "node_modules" / ".bin" / "tsc"), *_OPTIONS, "boards.ts"]
    return subprocess.run(command, cwd=compiler, capture_output=True, text=True, check=False, timeout=120).stdout


def test_every_dashboard_has_the_published_type(compiler: Path) -> None:
    boards = dashboards(Centre(map_url="http://127.0.0.1:8080/map/key"))
    assert judged(compiler, boards) == ""


def test_a_key_or_a_word_that_grafana_does_not_know_is_seen(compiler: Path) -> None:
    board = dashboards(Centre())[0]
    wrong = judged(compiler, [board | {"colour": "red"}, board | {"graphTooltip": "yes"}])
    assert "'\"colour\"' does not exist" in wrong
    assert "graphTooltip" in wrong or "'string' is not assignable" in wrong
