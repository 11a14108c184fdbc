"""YAML text as plain data that remembers its lines.

YAML 1.2's core schema and no more: `on`, `off`, `yes`, `no` and dates are text, numbers are decimal or 0x hex,
and whatever hides what a file says (anchors, aliases, merge keys, tags, doubled keys) is refused.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

Path = tuple[str | int, ...]
Tree = dict[str, "Tree"] | list["Tree"] | str | int | float | bool | None

_TAG: Final = "tag:yaml.org,2002:"
_INT: Final = re.compile(r"[-+]?(0|[1-9][0-9]*)\Z")
_HEX: Final = re.compile(r"-?0x[0-9a-fA-F]+\Z")
_FLOAT: Final = re.compile(r"[-+]?([0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))([eE][-+]?[0-9]+)?\Z")
_ODD_NUMBER: Final = re.compile(
    r"([-+]?0[0-9]+|0o[0-7]+|0b[01]+|[-+]?[0-9]+(_[0-9]+)+|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN))\Z"
)
_WORDS: Final[dict[str, bool | None]] = {
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
    "null": None, "Null": None, "NULL": None, "~": None, "": None,
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeFault:
    """Something that must not stand in a file; `line` counts from 1."""

    line: int
    path: Path
    found: str
    expected: str


@dataclass(slots=True, kw_only=True)
class YamlTree:
    """What a text holds. `lines` has the line of every key and list item; `faults` what was refused."""

    value: Tree = None
    lines: dict[Path, int] = field(default_factory=dict)
    faults: list[TreeFault] = field(default_factory=list)

    def line_of(self, path: Path) -> int:
        """The line of the innermost part of `path` that stands in the file."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)

    def at(self, path: Path) -> Tree:
        """The value at `path`; None where there is none."""
        value = self.value
        for step in path:
            if isinstance(value, dict) and isinstance(step, str):
                value = value.get(step)
            elif isinstance(value, list) and isinstance(step, int) and step < len(value):
                value = value[step]
            else:
                return None
        return value

    def mappings(self, *path: str) -> Iterator[tuple[Path, dict[str, Tree]]]:
        """Every mapping that is an item of the list at `path`; a name in `path` below a list goes through its items."""
        yield from self._mappings((), path)

    def _mappings(self, at: Path, names: tuple[str, ...]) -> Iterator[tuple[Path, dict[str, Tree]]]:
        value = self.at(at)
        if isinstance(value, list):
            for index in range(len(value)):
                yield from self._mappings((*at, index), names)
        elif isinstance(value, dict) and names:
            yield from self._mappings((*at, names[0]), names[1:])
        elif isinstance(value, dict):
            yield at, value


def where(path: Path) -> str:
    """A path as people read it: ``modbus.groups[0].points[2].address``."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def read_tree(text: str) -> YamlTree:
    """What the text holds, with everything that must not stand in it among the faults."""
    tree = YamlTree()
    try:
        node = YAML(typ="rt", pure=True).compose(text)
    except RecursionError:
        tree.faults.append(TreeFault(line=1, path=(), found="lists in lists without end", expected="a flat file"))
        return tree
    except YAMLError as error:
        tree.faults.append(_unreadable(error, text))
        return tree
    if node is None:
        tree.faults.append(TreeFault(line=1, path=(), found="nothing", expected="keys and values"))
        return tree
    tree.lines[()] = node.start_mark.line + 1
    tree.value = _value(tree, node, ())
    return tree


def _unreadable(error: YAMLError, text: str) -> TreeFault:
    line, problem = 1, " ".join(str(error).split())
    if isinstance(error, MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        problem = ", ".join(str(part) for part in (error.context, error.problem) if part)
    elif isinstance(error, ReaderError):
        line = text.count("\n", 0, error.position) + 1
        problem = f"the character {error.character!r}, which YAML does not allow"
    return TreeFault(line=line, path=(), found=f"text that is not YAML ({problem})", expected="YAML 1.2")


def _value(tree: YamlTree, node: Node, path: Path) -> Tree:
    if node.anchor:
        _refuse(tree, node, path, f"the anchor &{node.anchor}", "every value written out where it stands")
    if isinstance(node, ScalarNode):
        return _scalar(tree, node, path)
    if not str(node.tag).startswith(_TAG):
        _refuse(tree, node, path, f"the tag {node.tag}", "no tags")
    if isinstance(node, SequenceNode):
        return [_item(tree, item, (*path, index)) for index, item in enumerate(node.value)]
    assert isinstance(node, MappingNode)  # noqa: S101 - the third of three kinds; tells the type checker
    return _mapping(tree, node, path)


def _item(tree: YamlTree, node: Node, path: Path) -> Tree:
    tree.lines[path] = node.start_mark.line + 1
    return _value(tree, node, path)


def _mapping(tree: YamlTree, node: MappingNode, path: Path) -> dict[str, Tree]:
    mapping: dict[str, Tree] = {}
    for key_node, value_node in node.value:
        key = _key(tree, key_node, path)
        if key is None:
            continue
        if key in mapping:
            first = tree.lines[*path, key]
            _refuse(tree, key_node, (*path, key), "this key again", f"it once (it stands in line {first} already)")
            continue
        tree.lines[*path, key] = key_node.start_mark.line + 1
        mapping[key] = _value(tree, value_node, (*path, key))
    return mapping


def _key(tree: YamlTree, node: Node, path: Path) -> str | None:
    if not isinstance(node, ScalarNode):
        _refuse(tree, node, path, "a list or mapping as key", "a word as key")
        return None
    if node.value == "<<" and not node.style:
        _refuse(tree, node, path, "the merge key <<", "every value written out where it stands")
        return None
    if node.style or _INT.match(node.value):
        return str(node.value)
    if _HEX.match(node.value):
        return str(int(node.value, 16))
    if node.value in _WORDS or _FLOAT.match(node.value) or _ODD_NUMBER.match(node.value):
        _refuse(tree, node, path, f"{node.value or 'nothing'} as key", "a word or a whole number as key")
        return None
    return str(node.value)


def _scalar(tree: YamlTree, node: ScalarNode, path: Path) -> Tree:
    text = str(node.value)
    if not str(node.tag).startswith(_TAG) and str(node.tag) != "!":
        _refuse(tree, node, path, f"the tag {node.tag}", "no tags")
    if node.style:
        return text
    if _ODD_NUMBER.match(text) or (_FLOAT.match(text) and not math.isfinite(float(text))):
        _refuse(tree, node, path, text, "a decimal number or 0x hex (or quotes around it, if it is text)")
    return _plain(text)


def _plain(text: str) -> Tree:
    """What an unquoted scalar stands for; all that is no word or number of the core schema is text."""
    if text in _WORDS:
        return _WORDS[text]
    if _INT.match(text):
        return int(text)
    if _HEX.match(text):
        return int(text, 16)
    if _FLOAT.match(text) and math.isfinite(float(text)):
        return float(text)
    return text


def _refuse(tree: YamlTree, node: Node, path: Path, found: str, expected: str) -> None:
    tree.faults.append(TreeFault(line=node.start_mark.line + 1, path=path, found=found, expected=expected))
