"""A topic is built and parsed by one pair of functions, and nothing else is taken for one."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.wire_examples import GATEWAY, identifiers
from wire.errors import WireError
from wire.identifiers import GatewayId
from wire.topics import Down, Up, down_filter, down_topic, parse_down, parse_up, up_filter, up_topic

segments = st.sampled_from(["sen", "1", "2", "up", "dn", "gw", "batch", "commit", "+", "#", "", "A b", "gw/x", "é"])


@given(gateway=identifiers.map(GatewayId), up=st.sampled_from(Up), down=st.sampled_from(Down))
def test_every_topic_is_parsed_as_it_was_built(gateway: GatewayId, up: Up, down: Down) -> None:
    assert parse_up(up_topic(gateway, up)) == (gateway, up)
    assert parse_down(down_topic(gateway, down)) == (gateway, down)


@given(topic=st.text(max_size=30) | st.lists(segments, max_size=6).map("/".join))
def test_any_text_is_a_topic_of_ours_or_refused(topic: str) -> None:
    with contextlib.suppress(WireError):
        assert up_topic(*parse_up(topic)) == topic
    with contextlib.suppress(WireError):
        assert down_topic(*parse_down(topic)) == topic


def test_the_two_directions_are_not_mistaken_for_each_other() -> None:
    with pytest.raises(WireError, match="sen/1/up"):
        parse_up(down_topic(GATEWAY, Down.COMMIT))
    with pytest.raises(WireError, match="sen/1/dn"):
        parse_down(up_topic(GATEWAY, Up.BATCH))


@pytest.mark.parametrize("name", ["+", "#", "a/b", "", "A", "a b", "-a", "a-", "a\n", "x" * 64])
def test_a_name_that_could_reach_another_gateway_builds_no_topic(name: str) -> None:
    gateway = GatewayId(name)
    with pytest.raises(WireError, match="gateway"):
        up_topic(gateway, Up.BATCH)
    with pytest.raises(WireError, match="gateway"):
        down_topic(gateway, Down.COMMAND)
    with pytest.raises(WireError, match="gateway"):
        down_filter(gateway)


def test_filters_hear_every_gateway_or_one() -> None:
    assert up_filter(Up.BATCH) == "sen/1/up/+/batch"
    assert down_filter(GATEWAY) == "sen/1/dn/gw-demo-1/#"
