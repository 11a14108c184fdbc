"""The lines of a `hub.yaml` that name the database, for the hub and for Grafana; what else stands there stays. Pure."""

from collections.abc import Collection, Mapping
from io import StringIO
from typing import Final

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap

_READER_KEYS: Final = ("read_token_file", "read_username", "read_password_file")


def with_series(text: str, lines: Mapping[str, str]) -> str:
    """The text of a `hub.yaml` whose series stand where `lines` say; what else stands there, comments too, stays."""
    yaml, tree = _loaded(text)
    section = _section(tree, "series")
    if {key: value for key, value in section.items() if key != "retention"} == lines:
        return text
    for key in [key for key in section if key != "retention" and key not in lines]:
        del section[key]
    section.update(lines)
    return _written(yaml, tree)


def with_reader(text: str, lines: Mapping[str, str], *, ours: Collection[str]) -> str:
    """The text of a `hub.yaml` whose `grafana` reads the database with what `lines` name.

    A reader that a person named, one that is not among `ours`, stays.
    """
    yaml, tree = _loaded(text)
    section = _section(tree, "grafana")
    named = {key: section[key] for key in _READER_KEYS if section.get(key) is not None}
    if named == lines or any(value not in ours for value in named.values()):
        return text
    for key in named:
        del section[key]
    section.update(lines)
    return _written(yaml, tree)


def _loaded(text: str) -> tuple[YAML, CommentedMap]:
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 4096
    return yaml, yaml.load(text) or CommentedMap()


def _section(tree: CommentedMap, name: str) -> CommentedMap:
    section = tree.get(name)
    if not isinstance(section, CommentedMap):
        section = tree[name] = CommentedMap()
    return section


def _written(yaml: YAML, tree: CommentedMap) -> str:
    written = StringIO()
    yaml.dump(tree, written)
    return written.getvalue()
