"""Names, quantities and records hold to their rules."""

import dataclasses
import math
import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.wire_examples import START_MS, identifiers, keys
from wire.errors import WireError
from wire.identifiers import DeviceId, SiteId, check_identifier, check_key
from wire.quantities import QUANTITIES, Quantity, QuantityKind, quantity
from wire.records import (
    MAX_SEQ,
    MAX_TIME_MS,
    Mode,
    PointLayout,
    Quality,
    Record,
    Stream,
    Value,
)

POINT = PointLayout(key="temperature", quantity="temperature", unit="degC")
STREAM = Stream(
    site=SiteId("s"), device=DeviceId("d"), group="air", measurement="weather", mode=Mode.LIVE, points=(POINT,)
)


@given(name=identifiers)
def test_identifiers_are_taken_as_they_are(name: str) -> None:
    assert check_identifier(name, what="device") == name


@given(name=st.text(max_size=70))
def test_any_text_is_an_identifier_or_refused_by_what_it_is(name: str) -> None:
    allowed = re.fullmatch(r"[a-z0-9_-]{1,63}", name) and not set("-_") & {name[0], name[-1]}
    if allowed:
        assert check_identifier(name, what="site") == name
    else:
        with pytest.raises(WireError, match="site "):
            check_identifier(name, what="site")


@pytest.mark.parametrize("name", ["", "1a", "_a", "a-b", "A", "a ", "a\n", "a" * 64, "é"])
def test_what_may_not_name_a_field_is_no_key(name: str) -> None:
    with pytest.raises(WireError, match="point "):
        check_key(name, what="point")


@given(name=keys)
def test_keys_are_taken_as_they_are(name: str) -> None:
    assert check_key(name, what="point") == name


@pytest.mark.parametrize("row", QUANTITIES.values(), ids=lambda row: row.name)
def test_every_quantity_is_named_as_a_key_and_has_a_range_and_titles(row: Quantity) -> None:
    assert check_key(row.name, what="quantity") == row.name
    assert row.minimum < row.maximum
    assert row.unit
    assert row.unit.isascii()
    assert row.title[0].isupper() or row.title[0].isdigit() or row.name == "ph"
    assert row.title_vi


def test_no_quantity_is_listed_twice() -> None:
    titles = [row.title for row in QUANTITIES.values()]
    assert len(titles) == len(set(titles))


def test_counters_may_grow_large_and_stay_exact() -> None:
    assert all(row.maximum <= 2**53 for row in QUANTITIES.values() if row.kind is QuantityKind.COUNTER)


def test_a_quantity_is_found_by_name_or_refused() -> None:
    assert quantity("pm2_5").unit == "ug/m3"
    with pytest.raises(WireError, match="quantity 'pm25'"):
        quantity("pm25")


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_what_is_not_a_number_is_no_value(number: float) -> None:
    with pytest.raises(ValueError, match="use None"):
        Value(number)


def test_a_value_is_missing_only_with_a_reason_i1() -> None:
    with pytest.raises(ValueError, match="says why"):
        Value(None)
    assert Value(None, Quality.TIMEOUT).number is None


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: dataclasses.replace(STREAM, points=()), id="no points"),
        pytest.param(lambda: dataclasses.replace(STREAM, points=(POINT, POINT)), id="a point twice"),
        pytest.param(lambda: dataclasses.replace(STREAM, device=DeviceId("A")), id="device"),
        pytest.param(lambda: dataclasses.replace(STREAM, group="a-b"), id="group"),
        pytest.param(lambda: PointLayout(key="a b", quantity="q", unit=""), id="point"),
        pytest.param(lambda: Record(seq=1, stream=STREAM, time_ms=0, values=()), id="values missing"),
        pytest.param(lambda: Record(seq=0, stream=STREAM, time_ms=0, values=(Value(1),)), id="seq 0"),
        pytest.param(lambda: Record(seq=MAX_SEQ + 1, stream=STREAM, time_ms=0, values=(Value(1),)), id="seq"),
        pytest.param(lambda: Record(seq=1, stream=STREAM, time_ms=-1, values=(Value(1),)), id="time"),
        pytest.param(lambda: Record(seq=1, stream=STREAM, time_ms=MAX_TIME_MS + 1, values=(Value(1),)), id="late"),
    ],
)
def test_a_record_that_could_not_be_stored_is_never_made(make: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match=r".+"):
        make()


def test_a_record_is_as_good_as_its_worst_value() -> None:
    stream = dataclasses.replace(STREAM, points=(POINT, dataclasses.replace(POINT, key="t2")))
    record = Record(
        seq=1, stream=stream, time_ms=START_MS, values=(Value(1, Quality.STALE), Value(None, Quality.TIMEOUT))
    )
    assert record.worst_quality is Quality.TIMEOUT


@pytest.mark.parametrize("key", ["time", "quality", "device", "mode"])
def test_a_point_may_not_be_called_like_a_tag_or_a_column(key: str) -> None:
    with pytest.raises(WireError, match="other than"):
        PointLayout(key=key, quantity="temperature", unit="degC")


def test_no_point_may_stand_where_anothers_quality_is_stored() -> None:
    points = tuple(PointLayout(key=key, quantity="link_quality", unit="1") for key in ("link", "link_quality"))
    with pytest.raises(ValueError, match="quality is stored"):
        Stream(
            site=SiteId("hall"),
            device=DeviceId("d1"),
            group="radio",
            measurement="gateway",
            mode=Mode.LIVE,
            points=points,
        )
