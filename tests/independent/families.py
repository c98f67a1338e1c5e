"""Declared indexes: what the records of a kind have that no other thing may have. FORMAT.md, "Families"."""

import json
import re

from line import DEVICE, UNESCAPED, attempt, need

NAME = re.compile("[a-z][a-z0-9_]{0,63}")
POINTER = re.compile("(/([^/~]|~[01])*)+")
INDEX = re.compile("0|[1-9][0-9]*")


def tokens_of(part):
    """The tokens of a pointer; `id` and `corr` stand in the header."""
    return [token.replace("~1", "/").replace("~0", "~") for token in part.split("/")[1:]]


def parse_family(kind, body):
    """The parts of each unique index of a family, by its name. An error says that the body declares nothing."""
    indexes = json.loads(body.decode())["indexes"]
    text = json.dumps({"indexes": indexes}, ensure_ascii=False, separators=(",", ":"))
    need(text.encode() == body and NAME.fullmatch(kind), "no family in its one form")
    need(not kind.startswith("sys_") and not DEVICE.fullmatch(kind), "no kind of a producer")
    need(len(indexes) <= 32 and len({index["name"] for index in indexes}) == len(indexes), "too many, or one twice")
    for index in indexes:
        need(list(index) in (["name", "parts"], ["name", "parts", "unique"]), "another member")
        need(NAME.fullmatch(index["name"]) and index.get("unique", True) is True, "no name, or not unique")
        parts = index["parts"]
        need(type(parts) is list and 1 <= len(parts) <= 8, "no parts, or too many")
        need(all(part in ("id", "corr") or POINTER.fullmatch(part) for part in parts), "no pointer")
        need(max(len(part.encode()) for part in parts) <= 512, "a pointer is too long")
        need(sum(tokens_of(part).count("-") for part in parts) <= 1, "two arrays")
    return {index["name"]: index["parts"] for index in indexes if "unique" in index}


def value_at(value, tokens):
    for token in tokens:
        if type(value) is dict:
            value = value.get(token)
        elif type(value) is list and INDEX.fullmatch(token) and int(token) < len(value):
            value = value[int(token)]
        else:
            return None
    return value


def values_of(record, body, part):
    """Numbers came in as their digits, so that what is a text is a string or a number."""
    if part in ("id", "corr"):
        text = getattr(record, part)
        found = [text and UNESCAPED.sub(r"\1", text)]
    elif "-" in tokens_of(part):
        tokens = tokens_of(part)
        array = value_at(body, tokens[:tokens.index("-")])
        found = [value_at(each, tokens[tokens.index("-") + 1:]) for each in array] if type(array) is list else []
    else:
        found = [value_at(body, tokens_of(part))]
    return [text for text in found if type(text) is str and 0 < len(text.encode()) <= 256][:1024]


def keys_of(record, parts):
    """The keys of a record in an index."""
    body = attempt(lambda: json.loads(record.body.decode(), parse_int=str, parse_float=str))
    values = [values_of(record, body, part) for part in parts]
    if not all(values):
        return set()
    several = max(values, key=len)
    return {tuple(one if own is several else own[0] for own in values) for one in several}


class Uniques:
    """Who has which values: the newest record of each thing says so."""

    def __init__(self):
        self.families, self.holders, self.held = {}, {}, {}

    def declare(self, kind, family):
        self.families[kind] = family

    def enter(self, record):
        """Takes a record in; true when another thing has one of its values."""
        family = self.families.get(record.kind)
        if not family:
            return False
        thing = record.kind, record.tenant, record.id
        keys = {(*thing[:2], name, key) for name, parts in family.items() for key in keys_of(record, parts)}
        for key in self.held.get(thing, set()) - keys:
            if self.holders.get(key) == thing:
                del self.holders[key]
        is_taken = any(self.holders.get(key, thing) != thing for key in keys)
        self.holders.update((key, thing) for key in keys)
        self.held[thing] = keys
        return is_taken
