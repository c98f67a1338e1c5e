#!/usr/bin/env python3
"""Writes the test vectors of format v1 into formats/vectors/v1.

An implementation of the writer's byte side made from FORMAT.md alone, with nothing but the standard library: it shares no
code with the crates that its output tests. Keys, salts and times are fixed, so that every run gives the same bytes.

    make_vectors.py [OUTPUT]        default: formats/vectors/v1 of this repository
"""

import base64
import json
import pathlib
import sys

from standards import checkpoint_text, key_id, leaf_hash, public_key, push, root_of, sha256, sign, sign_note, verifier_key

ZERO = "0" * 64
SECTOR = 512


def quote(text):
    return '"%s"' % text.replace("\\", "\\\\").replace('"', '\\"')


def header_text(fields):
    """The canonical header of `fields`; members that are not there are left out."""
    order = ("v", "seq", "at", "grp", "kind", "tenant", "tseq", "id", "rev", "corr", "key", "digest", "prev")
    parts = []
    for member in order:
        if member in fields:
            value = fields[member]
            if member == "grp":
                value = "[%d,%d]" % tuple(value)
            parts.append('"%s":%s' % (member, quote(value) if isinstance(value, str) and member != "grp" else value))
    return "{%s}" % ",".join(parts)


def payload_bytes(salt, body):
    return b'{"salt":"%s","body":%s}' % (salt.hex().encode(), body)


def compact(value):
    """JSON without spaces, non-ASCII as it is. Enough for seals and identities, whose strings need no other escapes."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


class Ledger:
    """Builds segments, seals and heads in memory."""

    def __init__(self, uuid, name, created, seed=None):
        self.uuid, self.origin = uuid, "%s/%s" % (name, uuid)
        self.seed = seed
        self.seq, self.prev, self.frontier = 0, ZERO, []
        self.tenants, self.prev_seal, self.files, self.headers = {}, ZERO, {}, []
        self.open_segment()
        body = {"format": "ledgerstone/1", "ledger": uuid, "origin": self.origin, "created": created, "hash": "sha256"}
        if seed:
            body["vkey"] = verifier_key(self.origin, public_key(seed))
        self.identity = compact(body)
        self.group(created, [({"kind": "sys_genesis", "id": uuid}, self.identity.encode())])

    def open_segment(self):
        self.first, self.lines, self.rows = self.seq, b"", []

    def group(self, at, records):
        """Appends one commit group: pairs of header members and a body."""
        for place, (members, body) in enumerate(records):
            fields = {"v": 1, "seq": self.seq, "at": at}
            if len(records) > 1:
                fields["grp"] = [place, len(records)]
            fields.update(members)
            if "tenant" in members:
                fields["tseq"] = self.tenants.get(members["tenant"], 0)
                self.tenants[members["tenant"]] = fields["tseq"] + 1
            salt = sha256(b"salt of %d in %s" % (self.seq, self.uuid.encode()))[:16]
            payload = payload_bytes(salt, body)
            fields["digest"] = sha256(payload).hex()
            fields["prev"] = self.prev
            header = header_text(fields)
            leaf = leaf_hash(header.encode())
            self.lines += header[:-1].encode() + b',"hash":"%s",' % leaf.hex().encode() + payload[1:] + b"\n"
            self.headers.append({"fields": fields, "header": header, "hash": leaf.hex()})
            self.rows.append(fields)
            push(self.frontier, self.seq, leaf)
            self.seq, self.prev = self.seq + 1, leaf.hex()

    def head(self):
        text = checkpoint_text(self.origin, self.seq, root_of(self.frontier))
        return sign_note(text, self.origin, self.seed) if self.seed else text

    def key_file(self):
        secret = base64.b64encode(b"\x01" + self.seed).decode()
        return "PRIVATE+KEY+%s+%s+%s\n" % (self.origin, key_id(self.origin, public_key(self.seed)).hex(), secret)

    def seal(self):
        kinds = {}
        for row in self.rows:
            kinds[row["kind"]] = kinds.get(row["kind"], 0) + 1
        seal = {
            "format": "ledgerstone-seal/1",
            "ledger": self.uuid,
            "first": self.first,
            "last": self.seq - 1,
            "count": len(self.rows),
            "at_min": min(row["at"] for row in self.rows),
            "at_max": max(row["at"] for row in self.rows),
            "kinds": dict(sorted(kinds.items())),
            "bytes": len(self.lines),
            "sha256": sha256(self.lines).hex(),
            "last_hash": self.prev,
            "tree_size": self.seq,
            "root": root_of(self.frontier).hex(),
            "frontier": [node.hex() for node in self.frontier],
            "prev_seal": self.prev_seal,
            "head": self.head().decode(),
        }
        return (compact(seal) + "\n").encode()

    def roll(self):
        """Seals the segment and begins the next."""
        self.store_segment()
        seal = self.seal()
        self.files["segments/%020d.seal.json" % self.first] = seal
        self.prev_seal = sha256(seal).hex()
        self.open_segment()

    def store_segment(self):
        self.files["segments/%020d.jsonl" % self.first] = self.lines

    def close(self):
        self.store_segment()
        self.files["ledger.json"] = self.identity.encode() + b"\n"
        self.files["checkpoint" if self.seed else "head"] = self.head()
        return self.files


def at(micros):
    return "2026-01-02T03:04:%02d.%06dZ" % divmod(micros, 1_000_000)


def record(kind, entity, body, **members):
    return dict(members, kind=kind, id=entity), body.encode() if isinstance(body, str) else body


def nested(depth):
    return '{"a":' * (depth - 1) + "{}" + "}" * (depth - 1)


def unsigned_ledger():
    """One segment that shows every member, every escape and the odd corners of bodies."""
    ledger = Ledger("01890a5d-ac96-774b-bcce-b302099a8057", "vectors.example", at(5_000_000))
    ledger.group(at(5_000_001), [record("note", "n-1", '{"text":"hello"}')])
    odd = ' { "n" : [1E400, -0, 1.0, 1.10, 123456789012345678901234567890123456789012] ,\t"n2":"\\u0000\\/" }  '
    ledger.group(at(5_250_000), [record("audit_entry", "evt-1", odd, tenant="acme", corr="req-7", key="acme-0001")])
    ledger.group(at(6_000_000), [record("persona", "p-1", '{"name":"One"}', tenant="acme", rev=1)])
    ledger.group(at(7_000_000), [record("persona", "p-1", '{"name":"Two"}', tenant="acme", rev=2)])
    ledger.group(
        at(7_000_001),
        [
            record("audit_entry", "evt-2", "{}", tenant="b\u00fccher \u2713", corr='say "hi"'),
            record("note", "C:\\new\\", '{"hash":"x,\\"hash\\":\\"","deep":%s}' % nested(63)),
            record("audit_entry", "\U0001f5ff", '{"\u20ac":"\U0010fffd"}', tenant="acme", key="\\\""),
        ],
    )
    ledger.group(at(8_000_000), [record("persona", "p-1", '{"name":"no tenant"}', rev=1)])
    torn = ledger.lines[:100]
    name = "%020d-%d-%d-%s" % (0, len(ledger.lines), len(torn), sha256(torn).hex()[:32])
    body = {"cause": "torn_tail", "segment": 0, "offset": len(ledger.lines), "length": len(torn)}
    body["sha256"] = sha256(torn).hex()
    ledger.group(at(9_000_000), [record("sys_recovery", name, compact(body))])
    ledger.group(at(59_999_999), [record("note", "n-1", "\t{}")])
    return ledger


def signed_ledger():
    """Two sealed segments and an open one; the second begins with the record of a clock set back."""
    seed = sha256(b"Ledgerstone test vectors: this key signs nothing else.")
    ledger = Ledger("01890a5d-ac96-774b-bcce-b302099a8058", "vectors.example", at(30_000_000), seed)
    ledger.group(at(30_000_001), [record("note", "n-1", '{"text":"one"}')])
    ledger.group(at(31_000_000), [record("note", "n-%d" % n, '{"text":"%d"}' % n) for n in (2, 3)])
    ledger.roll()
    body = compact({"old": at(31_000_000), "new": at(10_000_000), "reason": "clock was ahead", "by": "operator"})
    ledger.group(at(10_000_000), [record("sys_clock", ledger.uuid, body)])
    batch = [("audit_entry", "evt-%d" % n, '{"action":"read","n":%d}' % n) for n in range(3)]
    ledger.group(at(10_000_001), [record(*each, tenant="acme", corr="req-1") for each in batch])
    ledger.group(at(11_000_000), [record("persona", "p-1", '{"name":"One"}', tenant="acme", rev=1)])
    ledger.roll()
    body = compact({"cause": "adopted", "first": 8, "last": 8, "head_size": 8})
    ledger.group(at(12_000_000), [record("sys_recovery", "8-8", body)])
    ledger.group(at(12_000_001), [record("persona", "p-1", '{"name":"Two"}', tenant="acme", rev=2, key="k\u00e9y")])
    return ledger


def extreme_headers():
    """Headers at the edges of what the format allows; each stands for itself, in no chain."""
    longest = 2**53 - 1
    plain = {"v": 1, "seq": 0, "at": "1970-01-01T00:00:00.000000Z", "kind": "a", "id": " ", "digest": ZERO, "prev": ZERO}
    most = {
        "v": 1,
        "seq": longest,
        "at": "9999-12-31T23:59:59.999999Z",
        "grp": [65535, 65536],
        "kind": "z" * 64,
        "tenant": '"' * 128,
        "tseq": longest,
        "id": "\\" * 256,
        "rev": longest,
        "corr": '"\\' * 128,
        "key": '"' * 128,
        "digest": "f" * 64,
        "prev": "0123456789abcdef" * 4,
    }
    edges = dict(plain, id="\u00a0\u2027\u202a\ufdcf\ufdf0\ufffd\U0001fffd\U0010fffd~", kind="com10", grp=[0, 2])
    leap = dict(plain, at="2024-02-29T23:59:59.999999Z", kind="sys_tick", tenant="\u0436" * 64, tseq=0)
    return [{"fields": each, "header": header_text(each), "hash": leaf_hash(header_text(each).encode()).hex()}
            for each in (plain, most, edges, leap)]


def bad_headers():
    """Header texts that a reader must refuse, each made from a good one by one change."""
    good = {"v": 1, "seq": 7, "at": at(1), "grp": [0, 2], "kind": "note", "tenant": "acme", "tseq": 3, "id": "n-1",
            "rev": 2, "corr": "req-7", "key": "k-1", "digest": "ab" * 32, "prev": "cd" * 32}
    text = header_text(good)
    cases = []

    def bad(reason, old, new):
        assert text.count(old) == 1, (reason, old)
        cases.append({"reason": reason, "header": text.replace(old, new)})

    def value(reason, member, new):
        cases.append({"reason": reason, "header": header_text(dict(good, **{member: new}))})

    def without(*members):
        rest = {member: good[member] for member in good if member not in members}
        cases.append({"reason": "missing " + " and ".join(members), "header": header_text(rest)})

    bad("wrong order: seq before v", '"v":1,"seq":7', '"seq":7,"v":1')
    bad("wrong order: key before corr", '"corr":"req-7","key":"k-1"', '"key":"k-1","corr":"req-7"')
    bad("wrong order: prev before digest", '"digest":"%s","prev":"%s"' % ("ab" * 32, "cd" * 32),
        '"prev":"%s","digest":"%s"' % ("cd" * 32, "ab" * 32))
    bad("space after a colon", '"seq":7', '"seq": 7')
    bad("space after a comma", ',"kind"', ', "kind"')
    bad("space before the first brace", '{"v"', ' {"v"')
    bad("space inside grp", "[0,2]", "[0, 2]")
    bad("tab before the last brace", '"}', '"\t}')
    cases.append({"reason": "bytes after the last brace", "header": text + " "})
    cases.append({"reason": "cut short", "header": text[:-1]})
    cases.append({"reason": "empty", "header": ""})
    cases.append({"reason": "no members", "header": "{}"})
    cases.append({"reason": "no object", "header": "[1]"})
    bad("comma before the last brace", '"}', '",}')
    bad("leading zero in seq", '"seq":7', '"seq":07')
    bad("plus sign in seq", '"seq":7', '"seq":+7')
    bad("negative seq", '"seq":7', '"seq":-7')
    bad("negative zero in tseq", '"tseq":3', '"tseq":-0')
    bad("fraction in seq", '"seq":7', '"seq":7.0')
    bad("exponent in seq", '"seq":7', '"seq":7e0')
    bad("seq as a string", '"seq":7', '"seq":"7"')
    bad("seq above 2^53-1", '"seq":7', '"seq":9007199254740992')
    bad("seq above 2^64", '"seq":7', '"seq":18446744073709551623')
    bad("tseq above 2^53-1", '"tseq":3', '"tseq":9007199254740992')
    bad("rev above 2^53-1", '"rev":2', '"rev":9007199254740992')
    bad("rev of zero", '"rev":2', '"rev":0')
    bad("no digits in seq", '"seq":7', '"seq":')
    bad("seq is null", '"seq":7', '"seq":null')
    bad("v is 0", '"v":1', '"v":0')
    bad("v with a leading zero", '"v":1', '"v":01')
    bad("v as a string", '"v":1', '"v":"1"')
    bad("escaped slash", "req-7", "req\\/7")
    bad("escaped letter", "req-7", "req\\u002d7")
    bad("escaped tab", "req-7", "req\\t7")
    bad("escaped line feed", "req-7", "req\\n7")
    bad("escape of a letter in a member name", '"seq"', '"s\\u0065q"')
    bad("lone backslash at the end of a string", '"req-7"', '"req-7\\"')
    bad("raw quote in a string", "req-7", 'req"7')
    for name, character in [("U+0000", "\0"), ("TAB", "\t"), ("LF", "\n"), ("CR", "\r"), ("U+001F", "\x1f"),
                            ("U+007F", "\x7f"), ("U+0080", "\x80"), ("U+0085", "\x85"), ("U+009F", "\x9f"),
                            ("U+2028", "\u2028"), ("U+2029", "\u2029"), ("U+FDD0", "\ufdd0"), ("U+FDEF", "\ufdef"),
                            ("U+FFFE", "\ufffe"), ("U+FFFF", "\uffff"), ("U+1FFFE", "\U0001fffe"),
                            ("U+10FFFF", "\U0010ffff")]:
        value("forbidden character %s in id" % name, "id", "n" + character)
    value("forbidden character U+0085 in tenant", "tenant", "a\x85")
    value("forbidden character U+FFFF in corr", "corr", "\uffff")
    value("forbidden character TAB in key", "key", "\t")
    bad("unknown member at the end", '"}', '","x":1}')
    bad("unknown member in the middle", '"kind"', '"x":1,"kind"')
    bad("member twice", '"id":"n-1"', '"id":"n-1","id":"n-1"')
    bad("hash inside the header", '"}', '","hash":"%s"}' % ("ef" * 32))
    for member in ("v", "seq", "at", "kind", "id", "digest", "prev"):
        without(member)
    without("tseq")
    without("tenant")
    value("tenant empty", "tenant", "")
    value("id empty", "id", "")
    value("corr empty", "corr", "")
    value("key empty", "key", "")
    value("kind empty", "kind", "")
    value("tenant of 129 bytes", "tenant", "t" * 129)
    value("tenant of 65 characters in 130 bytes", "tenant", "\u0436" * 65)
    value("id of 257 bytes", "id", "i" * 257)
    value("corr of 257 bytes", "corr", "c" * 257)
    value("key of 129 bytes", "key", "k" * 129)
    value("kind of 65 bytes", "kind", "k" * 65)
    value("longer than 2048 bytes", "id", "i" * 2048)
    value("kind begins with a digit", "kind", "9lives")
    value("kind begins with an underscore", "kind", "_note")
    value("kind in upper case", "kind", "Note")
    value("kind with a hyphen", "kind", "a-b")
    value("kind with a dot", "kind", "a.b")
    value("kind not in ASCII", "kind", "no\u00fcte")
    for device in ("con", "prn", "aux", "nul", "com0", "com9", "lpt1"):
        value("kind is the device name " + device, "kind", device)
    value("no tenant: null", "tenant", None)
    cases[-1]["header"] = cases[-1]["header"].replace("None", "null")
    for form in ("[0,1]", "[2,2]", "[3,2]", "[0,0]", "[0,65537]", "[65536,65536]", "[0]", "[0,2,3]", "[]", "[-1,2]",
                 "[00,2]", "[0,02]", "[0.0,2]", '["0",2]', "null", "2"):
        bad("grp " + form, "[0,2]", form)
    for time in ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05.12345Z", "2026-01-02T03:04:05.1234567Z",
                 "2026-01-02 03:04:05.000000Z", "2026-01-02T03:04:05.000000z", "2026-01-02t03:04:05.000000Z",
                 "2026-01-02T03:04:05.000000+00:00", "2026-01-02T03:04:05,000000Z", "2026-02-29T03:04:05.000000Z",
                 "2026-13-01T03:04:05.000000Z", "2026-00-01T03:04:05.000000Z", "2026-01-00T03:04:05.000000Z",
                 "2026-04-31T03:04:05.000000Z", "2026-01-02T24:00:00.000000Z", "2026-01-02T03:60:05.000000Z",
                 "2016-12-31T23:59:60.000000Z", "1969-12-31T23:59:59.999999Z", "12026-01-02T03:04:05.000000Z",
                 "2100-02-29T00:00:00.000000Z", ""):
        value("time " + (time or "empty"), "at", time)
    for member in ("digest", "prev"):
        value(member + " in upper case", member, "AB" * 32)
        value(member + " of 63 digits", member, "a" * 63)
        value(member + " of 65 digits", member, "a" * 65)
        value(member + " with a letter past f", member, "g" * 64)
    return cases


def bad_lines():
    """Lines that a reader must refuse though `hash` and `digest` are right, but where the reason says so."""
    fields = {"v": 1, "seq": 7, "at": at(1), "kind": "note", "id": "n-1", "prev": "cd" * 32}
    good = payload_bytes(bytes(range(16)), b'{"a":1}')
    cases = []

    def line(reason, payload=good, digest=None, hash=None, glue=b',"hash":"%s",', end=b""):
        header = header_text(dict(fields, digest=digest or sha256(payload).hex())).encode()
        hash = (hash or leaf_hash(header).hex()).encode()
        cases.append({"reason": reason, "line": (header[:-1] + glue.replace(b"%s", hash) + payload[1:] + end).decode()})

    line("digest of another payload", digest="ab" * 32)
    line("hash of another header", hash="ab" * 32)
    line("hash of 63 digits", hash="a" * 63)
    line("space before hash", glue=b', "hash":"%s",')
    line("no comma after hash", glue=b',"hash":"%s"')
    line("no hash", glue=b",")
    line("bytes after the last brace", end=b" ")
    line("CR before the line end", end=b"\r")
    line("salt in upper case", good.replace(b"0a0b", b"0A0B"))
    line("salt of 31 digits", good.replace(b"0a0b", b"a0b"))
    line("salt is null, body is not", good.replace(b'"000102030405060708090a0b0c0d0e0f"', b"null"))
    line("no salt", b'{"body":{"a":1}}')
    line("no body", b'{"salt":"000102030405060708090a0b0c0d0e0f"}')
    line("body before salt", b'{"body":{},"salt":"000102030405060708090a0b0c0d0e0f"}')
    line("space before body", good.replace(b',"body"', b', "body"'))
    for form in (b"null", b"1", b'"text"', b"[]", b"true", b""):
        line("body is no object: %s" % (form.decode() or "nothing"), good.replace(b'{"a":1}', form))
    line("payload without its last brace", good[:-1].replace(b'{"a":1}', b'1'))
    cases.append({"reason": "empty", "line": ""})
    cases.append({"reason": "spaces", "line": "   "})
    cases.append({"reason": "a header alone", "line": header_text(dict(fields, digest="ab" * 32))})
    return cases


def tree_sizes():
    """Root and frontier for every size up to 33; leaf n is the leaf hash of the one byte n."""
    frontier, rows = [], []
    for size in range(34):
        rows.append({"size": size, "root": root_of(frontier).hex(), "frontier": [node.hex() for node in frontier]})
        push(frontier, size, leaf_hash(bytes([size])))
    return rows


def filler(offset, length):
    return bytes(10 if place % SECTOR == SECTOR - 1 else 32 for place in range(offset, offset + length))


def tails():
    """What may stand after the last whole group of the last segment, and what it is: `none`, `torn` or `damage`."""
    ledger = Ledger("01890a5d-ac96-774b-bcce-b302099a8059", "vectors.example", at(5_000_000))
    whole = ledger.lines
    start = len(whole)
    members = [record("note", "n-%d" % n, '{"text":"%s"}' % ("padding " * 60)) for n in range(3)]
    ledger.group(at(6_000_000), members)
    group = ledger.lines[start:]
    one = group.split(b"\n")[0]
    ends = [len(one) + 1, group.index(b"\n", len(one) + 1) + 1, len(group)]
    cases = []

    def case(name, verdict, tail):
        cases.append({"name": name, "verdict": verdict, "tail": base64.b64encode(tail).decode()})

    def sectors_gone(keep, fill):
        """The group with each 512-byte sector of the file that `keep` refuses left unwritten."""
        tail = bytearray(group)
        for place in range(len(tail)):
            if not keep((start + place) // SECTOR - start // SECTOR):
                tail[place] = fill(start + place)
        return bytes(tail)

    def flipped(place, mask, tail=group):
        return tail[:place] + bytes([tail[place] ^ mask]) + tail[place + 1:]

    other = Ledger("01890a5d-ac96-774b-bcce-b302099a8060", "vectors.example", at(5_000_000))
    other.group(at(6_000_000), members)
    foreign = other.lines[other.lines.index(b"\n") + 1:]
    to_sector = -(start + len(group)) % SECTOR
    nul, blank = (lambda place: 0), (lambda place: filler(place, 1)[0])
    case("nothing", "none", b"")
    case("filler to the next 4096", "none", filler(start, -start % 4096))
    case("filler cut in a sector", "none", filler(start, 100))
    case("filler off its place", "damage", filler(start + 1, 1000))
    case("nothing but NUL", "torn", bytes(4000))
    case("one byte of a line", "torn", group[:1])
    case("half a line", "torn", group[:len(one) // 2])
    case("a line but for its LF", "torn", one)
    case("first line of three", "torn", group[:ends[0]])
    case("first two lines of three", "torn", group[:ends[1]])
    case("all but the last LF", "torn", group[:-1])
    case("first line and filler", "torn", group[:ends[0]] + filler(start + ends[0], -(start + ends[0]) % SECTOR))
    case("first sector NUL", "torn", sectors_gone(lambda sector: sector != 0, nul))
    case("first sector filler", "torn", sectors_gone(lambda sector: sector != 0, blank))
    case("second sector NUL", "torn", sectors_gone(lambda sector: sector != 1, nul))
    case("only the third sector written", "torn", sectors_gone(lambda sector: sector == 2, nul))
    case("every other sector NUL", "torn", sectors_gone(lambda sector: sector % 2 == 0, nul))
    case("last sector NUL and filler", "damage",  # a sector is written whole or not at all
         sectors_gone(lambda sector: sector != (start + len(group) - 1) // SECTOR - start // SECTOR, nul)
         + filler(start + len(group), to_sector))
    cut = -(start + 300) % SECTOR + 300  # ends where a sector of the file ends
    case("a line cut by a short write into filler", "torn", group[:cut - 60] + filler(start + cut - 60, 60))
    case("a line cut one byte before the LF of filler", "damage", group[:cut - 1] + filler(start + cut - 1, 1))
    case("a line that lacks its LF, of another chain", "damage", foreign[:foreign.index(b"\n")])
    case("second line before the first", "damage", group[ends[0]:ends[1]] + group[:ends[0]])
    case("third line behind the first", "damage", group[:ends[0]] + group[ends[1]:ends[2]])
    case("second line without the first", "damage", group[ends[0]:ends[1]])
    case("empty line", "damage", b"\n")
    case("line of spaces", "damage", b"   \n")
    case("two LF after the first line", "damage", group[:ends[0]] + b"\n")
    case("text that is no line", "damage", b"hello\n")
    case("bit of the first line", "damage", flipped(20, 1))
    case("bit of the body of the second line", "damage", flipped(ends[1] - 20, 2))
    case("bit of the first line, last LF gone", "damage", flipped(20, 1)[:-1])
    case("LF of the last line is another byte", "damage", flipped(len(group) - 1, 1))
    case("LF of the first line is another byte", "damage", flipped(ends[0] - 1, 4))
    case("LF of the first line is another byte, second line cut", "damage", flipped(ends[0] - 1, 4)[:ends[0] + 90])
    case("control character in a cut line", "damage", one[:40] + b"\x01" + one[41:60])
    case("lines of two groups", "damage", group[:ends[0]] + whole)
    case("a group that does not follow", "damage", group[ends[0]:ends[1]].replace(b'"seq":2', b'"seq":9'))
    late = Ledger(ledger.uuid, "vectors.example", at(5_000_000))
    late.group(at(5_000_000), members)
    case("time not later than the last", "damage", late.lines[start:][:ends[0]])
    case("first line of another chain", "damage", foreign[:foreign.index(b"\n") + 1])
    second = foreign.index(b"\n") + 1
    case("second line of another chain", "damage",
         group[:ends[0]] + foreign[second:foreign.index(b"\n", second) + 1])
    case("first line of three gone", "damage", group[ends[0]:])
    case("second line of three gone", "damage", group[:ends[0]] + group[ends[1]:])
    ledger.group(at(7_000_000), [record("note", "n-9", "{}")])
    later = ledger.lines[start + len(group):]
    case("a later group after sectors of NUL", "damage", bytes(len(group) + to_sector) + later)
    case("a later line but for its LF after sectors of NUL", "damage", bytes(len(group) + to_sector) + later[:-1])
    return {"before": base64.b64encode(whole).decode(), "cases": cases}


def check_signer():
    """RFC 8032, section 7.1, test 2: refuses to write vectors with a wrong signer."""
    seed = bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
    assert public_key(seed).hex() == "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
    assert sign(seed, b"\x72").hex() == (
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00")


def rows(items):
    """A JSON array with one item a line, so that a change shows as a line."""
    return ("[\n%s\n]\n" % ",\n".join(map(compact, items))).encode()


def main(output):
    check_signer()
    unsigned, signed = unsigned_ledger(), signed_ledger()
    seal = unsigned.seal()
    files = dict(unsigned.close())
    files["lines.jsonl"] = files.pop("segments/%020d.jsonl" % 0)
    files["seal.json"] = seal
    files.update(("ledger/" + name, data) for name, data in signed.close().items())
    files["ledger.key"] = signed.key_file().encode()
    files["ledger.key.head"] = files["ledger/checkpoint"]
    files["headers.json"] = rows(unsigned.headers + signed.headers + extreme_headers())
    files["bad_headers.json"] = rows(bad_headers())
    files["bad_lines.json"] = rows(bad_lines())
    files["tree.json"] = rows(tree_sizes())
    tail_cases = tails()
    files["tails.json"] = (compact(tail_cases).replace('{"name"', '\n{"name"') + "\n").encode()
    for name, data in files.items():
        path = output / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


if __name__ == "__main__":
    default = pathlib.Path(__file__).resolve().parents[2] / "formats" / "vectors" / "v1"
    main(pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else default)
