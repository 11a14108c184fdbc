"""The JSON Schema of profile files, for editors; generated, so that it never says anything else than the parser."""

import json
from typing import Any, Final

from pydantic import TypeAdapter

from device_profiles.lint import MEASUREMENTS
from device_profiles.model import DeviceProfile
from device_profiles.parse import GROUP_DEFAULTS, POINT_DEFAULTS, PROFILE_ID
from wire.identifiers import KEY_PATTERN
from wire.quantities import QUANTITIES

# JSON Schema is nested dicts of anything: Any is what it is.
Schema = dict[str, Any]

_GROUPS: Final = ("ModbusGroup", "SerialGroup")
_POINTS: Final = ("ModbusPoint", "SerialPoint")


def schema_text() -> str:
    """The text of `profile.schema.json`."""
    return json.dumps(profile_schema(), indent=2, ensure_ascii=False, sort_keys=True) + "\n"


def profile_schema() -> Schema:
    """The schema of a profile as people write it: with `defaults:`, and without what may stand there."""
    schema: Schema = TypeAdapter(DeviceProfile).json_schema()
    definitions: Schema = schema["$defs"]
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "Sen device profile"
    schema["properties"]["profile"]["pattern"] = "^" + PROFILE_ID.pattern.replace("\\Z", "$")
    schema["properties"]["defaults"] = _defaults(definitions)
    schema["oneOf"] = [{"required": ["modbus"]}, {"required": ["serial"]}]
    for name in _GROUPS:
        _free(definitions[name], GROUP_DEFAULTS)
        definitions[name]["properties"]["name"]["pattern"] = KEY_PATTERN
        definitions[name]["properties"]["measurement"]["enum"] = list(MEASUREMENTS)
    for name in _POINTS:
        _free(definitions[name], POINT_DEFAULTS)
        definitions[name]["properties"]["key"]["pattern"] = KEY_PATTERN
        definitions[name]["properties"]["quantity"]["enum"] = sorted(QUANTITIES)
    return schema


def _defaults(definitions: Schema) -> Schema:
    """What may stand in `defaults:`, each as the first of groups and points has it."""
    properties: Schema = {}
    for names, allowed in ((_GROUPS, GROUP_DEFAULTS), (_POINTS, POINT_DEFAULTS)):
        for name in names:
            for key, value in definitions[name]["properties"].items():
                if key in allowed:
                    properties.setdefault(key, {part: value[part] for part in value if part != "default"})
    return {
        "description": "Written once here, and taken by every group and point that does not say it itself.",
        "type": "object",
        "additionalProperties": False,
        "properties": properties,
    }


def _free(definition: Schema, keys: frozenset[str]) -> None:
    definition["required"] = [key for key in definition["required"] if key not in keys]
