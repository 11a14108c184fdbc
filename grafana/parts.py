"""Panels and choices that several dashboards have. Pure."""

from collections.abc import Sequence
from typing import Final

from grafana.board import Choice, Column, Counted, Lines, Link, ModeBadge, Rows, Tiles
from grafana.influxql import RAW, Query, ages, chosen, modes, newest, over_time
from grafana.limits import MODES, NEUTRAL, NONE_ALLOWED, ROW_BY_FRESHNESS, Step
from grafana.texts import Text
from grafana.units import unit_of
from wire.quantities import QuantityKind, quantity

SITE_UID: Final = "sen-site"
GATEWAY_UID: Final = "sen-gateway"
TO_SITE: Final = Link(title=Text("Open the site", "Mở địa điểm"), uid=SITE_UID, fields=("site",))
TO_DEVICE: Final = Link(title=Text("Open the device", "Mở thiết bị"), uid=SITE_UID, fields=("site", "device"))
TO_GATEWAY: Final = Link(title=Text("Open the gateway", "Mở gateway"), uid=GATEWAY_UID, fields=("site", "gateway"))

TO_GATEWAYS: Final = Link(title=Text("Open the gateways", "Mở các gateway"), uid=GATEWAY_UID)
TO_FRESHNESS: Final = Link(title=Text("Open data freshness", "Mở độ mới của số liệu"), uid="sen-freshness")
TO_LEDGER: Final = Link(title=Text("Open the delivery ledger", "Mở sổ cái giao nhận"), uid="sen-ledger")
TO_AIR: Final = Link(title=Text("Open air quality", "Mở chất lượng không khí"), uid="sen-air")
TO_CAMERAS: Final = Link(title=Text("Open the cameras", "Mở các camera"), uid="sen-cameras")

HERE: Final = chosen("site", "device")
_MEAN: Final = {
    QuantityKind.GAUGE: "mean", QuantityKind.ANGLE: "last", QuantityKind.COUNTER: "last", QuantityKind.TALLY: "sum",
    QuantityKind.STATE: "last",
}  # fmt: skip


def site_choice(measurement: str) -> Choice:
    """Which sites."""
    return Choice(name="site", title=Text("Site", "Địa điểm"), measurement=measurement)


def device_choice(measurement: str) -> Choice:
    """Which devices of those sites."""
    return Choice(name="device", title=Text("Device", "Thiết bị"), measurement=measurement, where='"site" =~ /^$site$/')


def titled(name: str) -> Text:
    """What a quantity is called."""
    row = quantity(name)
    return Text(row.title, row.title_vi)


def mode_badge(*measurements: str, where: str = HERE) -> ModeBadge:
    """The strip on top of every page of values."""
    return ModeBadge(
        title=Text("How these values came about", "Nguồn gốc số liệu trên trang này"),
        about=Text(
            "Every mode present in the time shown. Decide by `live` values only; anything with ⚠ is not measured "
            "reality.",
            "Mọi nguồn có trong khoảng thời gian đang xem. Chỉ quyết định theo số liệu `trực tiếp`; "
            "ký hiệu ⚠ nghĩa là không phải số đo thực.",
        ),
        queries=[modes(measurement, where) for measurement in measurements],
    )


def lines_of(
    name: str,
    measurement: str,
    *,
    key: str | None = None,
    about: Text,
    limits: Sequence[Step] = NEUTRAL,
    where: str = HERE,
    more: Sequence[Query] = (),
    shows_limits: bool = False,
) -> Lines:
    """A quantity over time: unit, title and how its values combine come from `wire.quantities`.

    The plausible range is not the axis: it holds what any device anywhere may say. Percentages have an axis to 100.
    """
    row = quantity(name)
    query = over_time(measurement, key or name, how=_MEAN[row.kind], where=where)
    is_share = row.unit == "%" and row.maximum == 100  # noqa: PLR2004 - per cent
    return Lines(
        title=titled(name),
        about=about,
        queries=[query, *more],
        unit=unit_of(name),
        limits=limits,
        minimum=0.0 if row.minimum == 0 else None,
        maximum=100.0 if is_share else None,
        are_bars=row.kind is QuantityKind.TALLY,
        shows_limits=shows_limits,
        link=TO_DEVICE,
    )


def value_column(name: str, key: str | None = None, limits: Sequence[Step] = ()) -> Column:
    """A column of values of a quantity."""
    return Column(name=key or name, title=titled(name), unit=unit_of(name), limits=limits, decimals=1)


PLACE_COLUMNS: Final = (
    Column(name="site", title=Text("Site", "Địa điểm")),
    Column(name="gateway", title=Text("Gateway", "Gateway")),
    Column(name="device", title=Text("Device", "Thiết bị")),
    Column(name="mode", title=Text("How it came about", "Nguồn"), words=MODES),
)
AGE_COLUMNS: Final = (
    Column(name="age_s", title=Text("Age", "Tuổi số liệu"), unit="dtdurations"),
    Column(name="state", title=Text("Fresh?", "Độ mới"), words=ROW_BY_FRESHNESS, colors_row=True),
)


def now_table(
    measurement: str,
    columns: Sequence[Column],
    *,
    where: str = HERE,
    title: Text | None = None,
    width: int | None = None,
    sorted_by: str | None = None,
) -> Rows:
    """The newest values of each device, with their age: the row is grey where they are past their promise."""
    fields = [column.name for column in columns]
    return Rows(
        title=title or Text("Now", "Hiện tại"),
        about=Text(
            "The newest value in the time shown, and how old it is. A grey row is past its promise: do not "
            "decide by it; "
            "click the device and see why it is silent.",
            "Giá trị mới nhất trong khoảng đang xem và tuổi của nó. Hàng xám là đã quá hạn cam kết: không dùng "
            "để quyết "
            "định; bấm vào thiết bị để xem vì sao mất tín hiệu.",
        ),
        queries=[newest(measurement, fields, where=where), ages(where)],
        columns=[*PLACE_COLUMNS, *columns, *AGE_COLUMNS],
        joined_by="device",
        sorted_by=sorted_by,
        link=TO_DEVICE,
        width=width,
    )


def site_states(*, width: int | None = None) -> Rows:
    """How fresh each site is, the worst first."""
    return Rows(
        title=Text("Sites by freshness", "Độ mới theo địa điểm"),
        about=Text(
            "The oldest data of each site. Grey sites say nothing about now. Click a site to see which device it is.",
            "Số liệu cũ nhất của mỗi địa điểm. Địa điểm xám không nói gì về hiện tại. Bấm vào để xem thiết bị nào.",
        ),
        queries=[
            Query(
                text='SELECT max("state") AS "state", max("age_s") AS "age_s" FROM "freshness" '
                f'WHERE time > now() - 3m AND {chosen("site")} GROUP BY "site"',
                as_table=True,
                source=RAW,
            )
        ],
        columns=[Column(name="site", title=Text("Site", "Địa điểm")), *AGE_COLUMNS],
        sorted_by="age_s",
        link=TO_SITE,
        width=width,
    )


def count_tile(
    title: Text,
    about: Text,
    query: Query,
    counted: Counted,
    *,
    limits: Sequence[Step] = NONE_ALLOWED,
    link: Link | None = None,
) -> Tiles:
    """How many series of a table are in a state; none is zero and says so."""
    return Tiles(
        title=title,
        about=about,
        queries=[query],
        counted=counted,
        limits=limits,
        link=link,
        decimals=0,
        shows_name=False,
        nothing=Text("0", "0"),
    )
