"""What a person sees of the demonstration."""

from typing import Any

from deploy.demo.table import fleet_line, head, told_rows


def item(device: str, field: str, value: float | None, **more: object) -> dict[str, Any]:
    series = {"device": device, "field": field, "unit": "degC", "mode": "simulated"}
    return {"series": series, "value": value, "quality": "good", "age_s": 1.25, "stale": False, **more}


def test_a_value_goes_with_unit_age_mode_and_quality() -> None:
    (row,) = told_rows([item("climate-1", "temperature", 21.5)])
    assert row.split() == ["climate-1", "temperature", "21.5", "degC", "1.2", "s", "simulated", "good"]
    assert len(head().split()) == 7


def test_a_value_that_is_not_there_is_a_dash_and_never_a_zero() -> None:
    (row,) = told_rows([item("climate-1", "temperature", None, quality="timeout", stale=True)])
    assert row.split()[2:] == ["-", "degC", "1.2", "s", "simulated", "timeout,", "STALE"]


def test_each_device_shows_its_most_telling_values() -> None:
    latest = [item("b", f"x{number}", number) for number in range(9)]
    latest += [item("a", key, 1) for key in ("apparent_power", "frequency", "power", "voltage", "energy_import")]
    rows = [row.split()[:2] for row in told_rows(latest)]
    assert rows == [["a", "voltage"], ["a", "power"], ["a", "energy_import"], ["b", "x0"], ["b", "x1"], ["b", "x2"]]


def test_the_fleet_is_one_line() -> None:
    counts = {"accepted": 5, "stored": 3, "refused": 0, "lost": 0, "in_flight": 2, "unexplained": 0}
    gateways = [{"presence": presence, "accounts": counts} for presence in ("online", "silent")]
    told = "1 of 2 gateways online; records: 10 accepted, 6 stored, 0 refused, 0 lost, 4 in flight, 0 unexplained"
    assert fleet_line({"gateways": gateways}) == told
