"""One line of a segment, judged by itself: FORMAT.md, "Lines"."""

import collections
import datetime
import hashlib
import json
import re

from standards import leaf_hash, sha256

NEWER = "newer format"
# What is raised for bytes that are not what a parser parses.
BROKEN = (ValueError, TypeError, LookupError, AttributeError, RecursionError)

NONCHARACTERS = "\ufdd0-\ufdef" + "".join(chr(plane << 16 | low) for plane in range(17) for low in (0xFFFE, 0xFFFF))
TEXT = r'"((?:[^"\\\x00-\x1f\x7f-\x9f\u2028\u2029%s]|\\["\\])+)"' % NONCHARACTERS
NUMBER = "(0|[1-9][0-9]{0,15})"
HEX = '"([0-9a-f]{64})"'
TIME = r'"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z)"'
# Matches just what rebuilding a header from its values can give; limits are checked apart.
HEADER = re.compile(
    r'\{"v":1,"seq":%s,"at":%s(?:,"grp":\[%s,%s\])?,"kind":"([a-z][a-z0-9_]{0,63})"(?:,"tenant":%s,"tseq":%s)?'
    r',"id":%s(?:,"rev":%s)?(?:,"corr":%s)?(?:,"key":%s)?,"digest":%s,"prev":%s\}'
    % (NUMBER, TIME, NUMBER, NUMBER, TEXT, NUMBER, TEXT, NUMBER, TEXT, TEXT, HEX, HEX))
NEWER_VERSION = re.compile(rb'\{"v":([2-9]|[1-9][0-9]+),')
PAYLOAD = re.compile(rb'\{"salt":"[0-9a-f]{32}","body":([^\r]*)\}')
ERASED = re.compile(rb'\{"salt":null,"body":null *\}')
UNESCAPED = re.compile(r"\\(.)")
DEVICE = re.compile("con|prn|aux|nul|(com|lpt)[0-9]")

Record = collections.namedtuple("Record", "seq at i n kind tenant tseq id rev corr key prev hash body")


def need(holds, reason):
    if not holds:
        raise ValueError(reason)


def attempt(parse, *arguments):
    """What a parser gives, or None where the bytes are not what it parses."""
    try:
        return parse(*arguments)
    except BROKEN:
        return None


def parse_line(line):
    """The record of a line without its LF; `body` is None when it was erased. An error says what is wrong."""
    cut = line.find(b',"hash":"')
    header, stored, payload = line[:cut] + b"}", line[cut + 9:cut + 73].decode(), b"{" + line[cut + 75:]
    need(cut > 0 and line[cut + 73:cut + 75] == b'",', "not a line")
    need(leaf_hash(header).hex() == stored, "hash differs")
    need(not NEWER_VERSION.match(header), NEWER)
    m = HEADER.fullmatch(header.decode())
    need(m and len(header) <= 2048, "header is not canonical")
    seq, at, i, n, kind, tenant, tseq, entity, rev, corr, key, digest, prev = m.groups()
    seq, i, n, tseq, rev = (int(number or default) for number, default in zip((seq, i, n, tseq, rev), (0, 0, 1, 0, 1)))
    need(datetime.datetime.fromisoformat(at[:-1]) and at >= "1970", "at is no time of the years 1970 to 9999")
    need(max(seq, tseq, rev) < 2**53 and rev > 0, "a number is out of range")
    need(i < n <= 65536 and (n > 1 or m[4] is None), "grp is out of range")
    need(not DEVICE.fullmatch(kind), "kind is a device name")
    for text, bytes_max in ((tenant, 128), (entity, 256), (corr, 256), (key, 128)):
        need(not text or len(UNESCAPED.sub(r"\1", text).encode()) <= bytes_max, "a string is too long")
    if ERASED.fullmatch(payload):
        return Record(seq, at, i, n, kind, tenant, tseq, entity, m[9] and rev, corr, key, prev, stored, None)
    need(sha256(payload).hex() == digest, "digest differs")
    body = PAYLOAD.fullmatch(payload)
    need(body and len(body[1]) <= 16 << 20, "payload has another form, or its body is too long")
    need(type(json.loads(body[1].decode(), parse_int=str, parse_float=str)) is dict, "body is no object")
    return Record(seq, at, i, n, kind, tenant, tseq, entity, m[9] and rev, corr, key, prev, stored, body[1])


def parse_newer(line):
    """What every version keeps of a line of a later one: number, link and hash. It is taken for a group by itself."""
    cut = line.find(b',"hash":"')
    header, stored, payload = line[:cut] + b"}", line[cut + 9:cut + 73].decode(), b"{" + line[cut + 75:]
    members = json.loads(header.decode())
    need(line[cut + 73:cut + 75] == b'",' and leaf_hash(header).hex() == stored, "hash differs")
    need(type(members["v"]) is int and type(members["seq"]) is int, "v or seq is no number")
    need(ERASED.fullmatch(payload) or sha256(payload).hex() == members["digest"], "digest differs")
    return Record(members["seq"], "", 0, 1, NEWER, None, 0, "", None, None, None, members["prev"], stored, payload)


def begins_with_line(piece):
    """True for a whole valid line and at least one more byte: an LF was altered."""
    split = re.match(rb'(.*?),"hash":"([0-9a-f]{64})",', piece, re.DOTALL)
    if not split or leaf_hash(split[1] + b"}").hex().encode() != split[2]:
        return False
    stored, seen, start = HEADER.fullmatch(split[1].decode() + "}").groups()[-2], hashlib.sha256(b"{"), split.end()
    for brace in re.finditer(b"}", piece[split.end():-1]):
        end = split.end() + brace.end()
        seen.update(piece[start:end])
        start = end
        if seen.copy().hexdigest() == stored:
            return True
    return False
