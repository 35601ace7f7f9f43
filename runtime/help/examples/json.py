"""Examples of recipes in JSON that are none (E120 to E126). Rows only."""

from __future__ import annotations

from collections.abc import Mapping

from runtime.help.examples import Example

_FOR = '{"number": 3, "unit": "epochs"}'
_RIGHT = f"""{{
  "ftr": 1,
  "data": {{"train": {{"call": "folder", "args": ["photos"]}}}},
  "stage head": {{"train": {{"name": "head"}}, "for": {_FOR}}}
}}"""


def _instead(right: str, wrong: str) -> Example:
    return Example(_RIGHT.replace(right, wrong), _RIGHT, "json")


EXAMPLES: Mapping[str, Example] = {
    "E120": _instead('"ftr": 1,', '"ftr": 1'),
    "E121": Example(_RIGHT.removesuffix("\n}"), _RIGHT, "json"),
    "E122": Example(_RIGHT.replace("photos", r"my\photos"), _RIGHT.replace("photos", "my/photos"), "json"),
    "E123": _instead('"number": 3', '"number": 03'),
    "E124": _instead('"stage head"', '"stage-head"'),
    "E125": _instead('"unit": "epochs"', '"unit": 1'),
    "E126": _instead(_FOR, '{"number": 3, "units": "epochs"}'),
}
