"""Alert rules: what each says, where it leads, and how one dead gateway stays one alert."""

import re

import pytest

from grafana.alerting import Contact, contact_points, policy, rules, subjects
from grafana.build import boards, dashboards
from grafana.centre import AlarmLevels, Centre
from grafana.render import Json
from grafana.rule import Rule, Severity
from grafana.texts import Language

GAUGE = AlarmLevels(site="bridge", device="level-1", key="water_level", levels_m=(5.4, 6.9, 7.9), source="a decision")
CENTRE = Centre(language=Language.EN, grafana_url="http://g", alarm_levels=[GAUGE])
SHIFT = Contact(name="shift", type="email", settings={"addresses": "a@b.vn"}, secrets={}, severities=list(Severity))
DUTY = Contact(name="duty", type="webhook", settings={}, secrets={"url": "x"}, severities=[Severity.CRITICAL])
RULES = [rule for subject in subjects(CENTRE) for rule in subject.rules]


def made(centre: Centre = CENTRE) -> list[Json]:
    return rules(centre, boards(centre))


@pytest.mark.parametrize("language", Language)
def test_every_rule_says_what_why_and_what_to_do_and_leads_to_its_panel(language: Language) -> None:
    centre = Centre(language=language, grafana_url="http://g", alarm_levels=[GAUGE])
    panels = {(board["uid"], str(panel["id"])) for board in dashboards(centre) for panel in board["panels"]}
    for rule in made(centre):
        notes = rule["annotations"]
        assert notes["summary"]
        assert len(notes["description"]) > 40
        assert (notes["__dashboardUid__"], notes["__panelId__"]) in panels
        assert notes["panel"] == f"http://g/d/{notes['__dashboardUid__']}?viewPanel={notes['__panelId__']}"
        assert rule["labels"]["origin"] == "sen"


def test_the_rules_cover_what_may_go_wrong() -> None:
    assert {rule.uid for rule in RULES} >= {
        "sen-hub-silent", "sen-hub-holds",
        "sen-gateway-silent", "sen-device-silent", "sen-channel-silent", "sen-spool-growing", "sen-commit-delay",
        "sen-unexplained", "sen-air-poor", "sen-air-bad", "sen-air-very-bad", "sen-camera-dark", "sen-camera-frozen",
        "sen-camera-covered", "sen-camera-moved", "sen-bus-overload", "sen-clock-off", "sen-card-worn",
        "sen-water-1-bridge-level-1", "sen-water-2-bridge-level-1", "sen-water-3-bridge-level-1",
    }  # fmt: skip


def test_uids_are_unique_and_short_enough_for_grafana() -> None:
    uids = [rule["uid"] for rule in made()]
    assert len(set(uids)) == len(uids)
    assert all(re.fullmatch(r"[a-zA-Z0-9_-]{1,40}", uid) for uid in uids)


HANGING = [rule for rule in RULES if rule.uid.startswith(("sen-device", "sen-camera", "sen-channel"))]


@pytest.mark.parametrize("rule", HANGING, ids=lambda rule: rule.uid)
def test_what_hangs_on_a_gateway_is_judged_only_while_the_gateway_is_there(rule: Rule) -> None:
    gate = [query for query in rule.queries if '"online"' in query.text]
    assert len(gate) == 1
    assert f"${gate[0].ref} == 1" in rule.when


def test_a_loss_between_two_windows_is_seen_because_there_are_none() -> None:
    (rule,) = [rule for rule in RULES if rule.uid == "sen-records-lost"]
    assert all("spread" in query.text and "time(" not in query.text for query in rule.queries)


def test_only_a_hub_that_writes_nothing_alarms_by_silence() -> None:
    by_state = {rule["uid"]: rule["noDataState"] for rule in made()}
    assert [uid for uid, state in by_state.items() if state != "OK"] == ["sen-hub-silent"]
    assert by_state["sen-hub-silent"] == "Alerting"


def test_everything_of_one_gateway_is_one_notification() -> None:
    branch = policy([SHIFT])
    assert branch is not None
    assert branch["object_matchers"] == [["origin", "=", "sen"]]
    assert branch["group_by"] == ["site", "gateway"]
    assert all(route["group_by"] == ["site", "gateway"] for route in branch["routes"])


def test_each_severity_reaches_everybody_who_asked_for_it() -> None:
    branch = policy([SHIFT, DUTY])
    assert branch is not None
    critical = [route for route in branch["routes"] if route["object_matchers"] == [["severity", "=", "critical"]]]
    assert [(route["receiver"], route["continue"]) for route in critical] == [("Sen shift", True), ("Sen duty", False)]
    assert policy([]) is None


def test_contact_points_have_uids_of_ours() -> None:
    assert [point["uid"] for point in contact_points([SHIFT, DUTY])] == ["sen-shift", "sen-duty"]


def test_a_band_ends_where_the_next_begins() -> None:
    bands = [rule.when for rule in RULES if rule.uid.startswith("sen-air-")]
    assert bands == ["$A >= 101 && $A < 151", "$A >= 151 && $A < 201", "$A >= 201 && $A < 1001"]


def test_only_the_highest_level_that_is_reached_alarms() -> None:
    levels = [rule.when for rule in RULES if rule.uid.startswith("sen-water-")]
    assert levels == ["$A >= 5.4 && $A < 6.9", "$A >= 6.9 && $A < 7.9", "$A >= 7.9"]


def test_no_text_that_grafana_expands_from_its_environment_holds_a_dollar() -> None:
    for rule in made():
        assert "$" not in rule["title"] + "".join(rule["annotations"].values())
