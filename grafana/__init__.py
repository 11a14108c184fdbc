"""What operators decide by: dashboards and alert rules as code, for Grafana 10 to 13 on InfluxQL.

One file a dashboard in `dashboards/`, one file a subject in `alerts/`; `build` gives them all as Grafana's JSON, `lint`
checks it. Units and titles of quantities come from `wire.quantities`.
"""
