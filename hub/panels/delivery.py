"""Bring a Grafana to what is wanted: read, show, act. Stops at the first refusal, and can be run again."""

from collections.abc import Callable, Sequence

from hub.panels.client import GrafanaClient
from hub.panels.wanted import Act, Change, Item, changes


def difference(client: GrafanaClient, wanted: Sequence[Item]) -> list[Change]:
    """What would have to be done.

    Raises:
        GrafanaError: Grafana does not answer.
    """
    return changes(wanted, client.there())


def bring(client: GrafanaClient, todo: Sequence[Change], *, done: Callable[[Change], None]) -> None:
    """Do it, one after the other; `done` is told of each.

    Raises:
        GrafanaError: Grafana refused one; those before it are done, those after it are not.
    """
    for change in todo:
        if change.act is Act.REMOVE:
            client.remove(change.item)
        else:
            client.put(change.item, is_new=change.act is Act.MAKE)
        done(change)
