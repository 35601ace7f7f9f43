"""The JSON Schema of recipes written as JSON: `python -m runtime.help.json_schema > docs/recipe.schema.json`.

In go the vocabulary's tables, out comes a schema of draft 2020-12 that knows every field, call, word and metric, with
their documentation, for editors and programs that make recipes. What fields say of each other is left to the checker.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from recipe_lang.check import vocabulary as v
from recipe_lang.check.params import UNITS
from recipe_lang.json.writer import laid_out
from runtime.vocabulary import VOCABULARY

Schema = dict[str, Any]

_NAME = "[A-Za-z][A-Za-z0-9_]*"
_COMPUTED = {"$ref": "#/$defs/computed"}
_PARAM = {"$ref": "#/$defs/param"}
_VALUE = {"$ref": "#/$defs/value"}
_SELECTOR = {"$ref": "#/$defs/selector"}


def schema() -> Schema:
    """Return the schema of a `.ftr.json` file."""
    blocks = VOCABULARY.blocks.values()
    titled = {f"^{block.name} ": {"$ref": f"#/$defs/{block.name}"} for block in blocks if block.titled}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A recipe of ftr, written as JSON",
        "type": "object",
        "properties": {
            "ftr": {"const": VOCABULARY.version, "description": "The version of the language; it comes first."},
            "extends": {"type": "string", "description": "The recipe that this one builds on, relative to this file."},
            **_fields(VOCABULARY.fields.values()),
            **{block.name: {"$ref": f"#/$defs/{block.name}"} for block in blocks if not block.titled},
        },
        "patternProperties": {
            f"^param {_NAME}$": {"$ref": "#/$defs/declaration"},
            **titled,
            f"^drop ({'|'.join(VOCABULARY.blocks)}) ": {"const": True},
        },
        "additionalProperties": False,
        "required": ["ftr"],
        "if": {"not": {"required": ["extends"]}},
        "then": _whole(),
        "$defs": {
            **_forms(),
            **_families(),
            **{name: _block(block) for name, block in VOCABULARY.every_block().items()},
        },
    }


def _whole() -> Schema:
    """Return what a recipe has that builds on no other one: its required blocks, with their required fields."""
    blocks = [block for block in VOCABULARY.blocks.values() if block.required]
    givers = {block.defaults_for: block.name for block in VOCABULARY.blocks.values() if block.defaults_for}
    rules: list[Schema] = []
    for block in blocks:
        fields = {"required": [field.name for field in block.fields.values() if field.must_be_written]}
        if block.titled:
            pattern = f"^{block.name} "
            rules.append({"not": {"propertyNames": {"not": {"pattern": pattern}}}})
            each = {"patternProperties": {pattern: fields}}
            giver = givers.get(block.name)
            rules.append({"if": {"not": {"required": [giver]}}, "then": each} if giver else each)
        else:
            rules.append({"required": [block.name], "properties": {block.name: fields}})
    return {"allOf": rules}


def _block(block: v.BlockType) -> Schema:
    found: Schema = {"type": "object", "description": block.doc, "additionalProperties": False}
    if block.claims:
        metrics = "|".join(VOCABULARY.metrics)
        pattern = rf"^({'|'.join(VOCABULARY.sets)})\.({metrics}) *(>=|<=|>|<)$"
        over = _object(value=_type(v.Number()), over=_type(v.SEEDS))
        return {**found, "patternProperties": {pattern: _any(_type(v.Number()), over)}}
    fields = VOCABULARY.blocks[block.defaults_for].fields if block.defaults_for else block.fields
    inside: Schema = {f"^{name} ": {"$ref": f"#/$defs/{name}"} for name in block.inside}
    return {**found, "properties": _fields(fields.values()), **({"patternProperties": inside} if inside else {})}


def _fields(args: Iterable[v.Arg]) -> dict[str, Schema]:
    return {arg.name: {"description": arg.doc, **_type(arg.type)} for arg in args}


# --- values -----------------------------------------------------------------------------------


def _object(**members: Schema) -> Schema:
    """Return an object that has all of these members and no others."""
    return {
        "type": "object",
        "properties": {name.rstrip("_"): member for name, member in members.items()},
        "required": [name.rstrip("_") for name in members],
        "additionalProperties": False,
    }


def _any(*options: Schema) -> Schema:
    return options[0] if len(options) == 1 else {"anyOf": list(options)}


def _name(options: Iterable[str]) -> Schema:
    return _object(name={"enum": list(options)})


def _type(type_: v.Type) -> Schema:
    """Return what a type takes, a parameter's value included."""
    options = type_.options if isinstance(type_, v.Either) else (type_,)
    found = [form for option in options for form in _written(option)]
    takes_numbers = any(isinstance(option, v.Number | v.Duration) for option in options)
    return _any(*found, _COMPUTED if takes_numbers else _PARAM)


def _written(type_: v.Type) -> list[Schema]:
    """Return the forms in which a value of a type is written."""
    match type_:
        case v.Number():
            return _number(type_)
        case v.Duration(zero=zero, share=share):
            shares = _number(v.Number(0, 1, below=True)) if share else []
            return [_quantity(_units("epochs", "steps"), {"minimum" if zero else "exclusiveMinimum": 0}), *shares]
        case v.Truth():
            return [{"type": "boolean"}]
        case v.NothingType():
            return [{"type": "null"}]
        case v.Text() | v.FilePath():
            return [{"type": "string"}]
        case v.HexDigits():
            return [{"type": "string", "pattern": "^[0-9a-fA-F]{8,64}$"}]
        case v.OneOfStrings(_, options):
            return [{"enum": list(options)}]
        case v.Word(options):
            return [_name(options)]
        case v.MetricOf(sets):
            return [_name(f"{name}.{metric}" for name in sets for metric in VOCABULARY.metrics)]
        case v.CallOf(families, then):
            calls: list[Schema] = [{"$ref": f"#/$defs/{_key(name)}"} for name in families]
            several = {"type": "array", "items": _any(*calls, _PARAM), "minItems": 2}
            return [*calls, _object(then=several)] if then else calls
        case v.Select():
            return [_SELECTOR]
        case v.ListOf(item, least, most):
            bounds = {"minItems": least or None, "maxItems": most}
            return [{"type": "array", "items": _type(item), **{key: n for key, n in bounds.items() if n is not None}}]
        case v.RangeOf(item):
            return [_object(from_=_type(item), to=_type(item))]
        case v.MapOf(key, value):
            pair = {"type": "array", "prefixItems": [_type(key), _type(value)], "minItems": 2, "maxItems": 2}
            return [_object(map={"type": "array", "items": pair})]
    raise AssertionError(f"{type_!r} is no type of a value")


def _number(type_: v.Number) -> list[Schema]:
    kind = "integer" if type_.whole else "number"
    if type_.unit is None:
        share = {name: bound * 100 for name, bound in _bounds(type_).items() if abs(bound) < 1e9}
        return [{"type": kind, **_bounds(type_)}, _quantity(["%"], share)]
    plain = [{"type": kind, **_bounds(type_)}] if type_.unit_optional else []
    return [*plain, _quantity(_units(type_.unit), _bounds(type_), kind)]


def _bounds(type_: v.Number) -> dict[str, float]:
    found: dict[str, float] = {}
    if type_.low is not None:
        found["exclusiveMinimum" if type_.above else "minimum"] = type_.low
    if type_.high is not None:
        found["exclusiveMaximum" if type_.below else "maximum"] = type_.high
    return found


def _quantity(units: list[str], bounds: dict[str, float], kind: str = "number") -> Schema:
    return _object(number={"type": kind, **bounds}, unit={"enum": units})


def _units(*normal: str) -> list[str]:
    """Return the spellings of units: `epoch` and `epochs`."""
    return [written for written, unit in UNITS.items() if unit in normal]


def _key(family: str) -> str:
    return family.replace(" ", "_")


def _families() -> dict[str, Schema]:
    found: dict[str, Schema] = {}
    for family in VOCABULARY.families.values():
        entries = family.entries.values()
        bare = [each.name for each in entries if not any(arg.must_be_written for arg in each.args)]
        calls = {f"{_key(family.name)}.{each.name}": _call(_key(family.name), each) for each in entries}
        names = [_name(bare)] if bare else []
        found[_key(family.name)] = _any(*names, *({"$ref": f"#/$defs/{name}"} for name in calls))
        found |= calls
    return found


def _call(family: str, entry: v.Entry) -> Schema:
    """Return the call of an entry; what is required stands in `args` or in `with`."""
    named = f"#/$defs/{family}.{entry.name}/properties/with/properties"
    first = [{"$ref": f"{named}/{arg.name}"} for arg in entry.args[: entry.positional]]
    rules: list[Schema] = []
    for number, arg in enumerate(entry.args):
        by_name: Schema = {"required": ["with"], "properties": {"with": {"required": [arg.name]}}}
        by_place: Schema = {"required": ["args"], "properties": {"args": {"minItems": number + 1}}}
        if arg.must_be_written:
            rules.append(_any(by_name, *([by_place] if number < entry.positional else [])))
    return {
        "type": "object",
        "description": entry.doc,
        "properties": {
            "call": {"const": entry.name},
            "args": {"type": "array", **({"prefixItems": first, "items": False} if first else {"maxItems": 0})},
            "with": {"type": "object", "properties": _fields(entry.args), "additionalProperties": False},
        },
        "required": ["call"],
        "additionalProperties": False,
        **({"allOf": rules} if rules else {}),
    }


# --- what needs no vocabulary -----------------------------------------------------------------


def _forms() -> dict[str, Schema]:
    """Return the definitions that others refer to: parameters, arithmetic, selectors, and a value of any kind."""
    number = {"$ref": "#/$defs/number"}
    operand = _any({"type": "number"}, number, _COMPUTED)
    text = {"type": "string"}
    name = {"type": "string", "pattern": rf"^{_NAME}(\.{_NAME})*$"}
    values = {"type": "array", "items": _VALUE}
    call: Schema = {
        "type": "object",
        "properties": {"call": {"type": "string"}, "args": values, "with": {"additionalProperties": _VALUE}},
        "required": ["call"],
        "additionalProperties": False,
    }
    whole = _any(_SELECTOR, _PARAM)
    return {
        "param": {**_object(param={"type": "string", "pattern": f"^{_NAME}$"}), "description": "A parameter's value."},
        "number": _object(number={"type": "number"}, unit={"enum": [*UNITS, "%"]}),
        "computed": _any(
            _PARAM,
            _object(arithmetic={"type": "array", "minItems": 3, "items": _any({"enum": [*"+-*/"]}, operand)}),
            _object(minus=operand),
        ),
        "selector": {
            "description": "Parts of the network.",
            **_any(
                _object(name={"type": "string", "pattern": rf"^(all|base|head|base\.{_NAME})$"}),
                {"type": "array", "items": whole},
                _object(from_=_any(_name_of_part(), _PARAM), to=_any(_name_of_part(), _PARAM)),
                _object(all=whole, except_=whole),
                _object(
                    call={"const": "matching"}, args={"type": "array", "items": text, "minItems": 1, "maxItems": 1}
                ),
            ),
        },
        "value": _any(
            {"type": ["number", "string", "boolean", "null"]},
            number,
            _object(name=name),
            call,
            values,
            _object(map={"type": "array", "items": {**values, "minItems": 2, "maxItems": 2}}),
            _object(from_=_VALUE, to=_VALUE),
            _object(all=_VALUE, except_=_VALUE),
            _COMPUTED,
        ),
        "declaration": {
            "type": "object",
            "description": "A parameter, which `--set` may replace.",
            "properties": {"default": _VALUE, "in": _domain()},
            "required": ["default"],
            "additionalProperties": False,
        },
    }


def _name_of_part() -> Schema:
    return _object(name={"type": "string", "pattern": rf"^(head|base\.{_NAME})$"})


def _domain() -> Schema:
    range_ = _object(from_=_VALUE, to=_VALUE)
    args: Schema = {"type": "array", "items": range_, "minItems": 1, "maxItems": 1}
    log, plain = (_object(call={"const": name}, args=args) for name in ("log", "range"))
    step = _object(step=_VALUE)
    stepped = _object(call={"const": "range"}, args=args, with_=step)
    return _any(range_, log, plain, stepped, {"type": "array", "items": _VALUE})


def schema_text() -> str:
    """Return the schema as JSON text."""
    return "".join(f"{line}\n" for line in laid_out(schema()))


if __name__ == "__main__":
    print(schema_text(), end="")
