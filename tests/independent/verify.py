#!/usr/bin/env python3
"""Checks a ledger of format ledgerstone/1: lines, chain, tree, seals and the text of heads. Made
from formats/FORMAT.md alone. verify.py DIR [HEAD...], where HEAD is a head file kept elsewhere.

Stops at the first fault: CODE FILE SEQ REASON, and the code is the exit status. full.py checks the
rest: signatures, bookkeeping, newer formats, what an unfinished append may leave, later faults."""
import base64, collections, datetime, functools, hashlib, json, pathlib, re, sys  # noqa: E401

BROKEN = (ValueError, TypeError, LookupError, AttributeError, RecursionError)
NONCHARACTERS = "".join(chr(plane << 16 | low) for plane in range(17) for low in (0xFFFE, 0xFFFF))
TEXT = r'"(?:[^"\\\0-\x1f\x7f-\x9f\u2028\u2029\ufdd0-\ufdef%s]|\\["\\])+"' % NONCHARACTERS
NUMBER, HEX, TIME = "(?:0|[1-9][0-9]{0,15})", '"[0-9a-f]{64}"', r'"[-0-9]{10}T[:0-9]{8}\.[0-9]{6}Z"'
KIND = '"(?!(?:con|prn|aux|nul|(?:com|lpt)[0-9])")[a-z][a-z0-9_]{0,63}"'
HEADER = re.compile(  # matches just what rebuilding a header from its values can give
    r'\{"v":1,"seq":%s,"at":%s(,"grp":\[%s,%s\])?,"kind":%s(,"tenant":%s,"tseq":%s)?,"id":%s'
    r'(,"rev":%s)?(,"corr":%s)?(,"key":%s)?,"digest":%s,"prev":%s\}'
    % (NUMBER, TIME, NUMBER, NUMBER, KIND, TEXT, NUMBER, TEXT, NUMBER, TEXT, TEXT, HEX, HEX))
PAYLOAD = re.compile(rb'\{"salt":"[0-9a-f]{32}","body":(\s*\{.*\}\s*)\}', re.DOTALL)


def need(holds, *reason_and_code):
    if not holds:
        raise ValueError(*reason_and_code)


def sha256(data):
    return hashlib.sha256(data).digest()


def parse_line(line):
    """The members of a line without its LF."""
    header, _, rest = line.partition(b',"hash":"')
    header, payload = header + b"}", b"{" + rest[66:]
    r, body = json.loads(header), PAYLOAD.fullmatch(payload)
    need(rest[:66] == sha256(b"\0" + header).hex().encode() + b'",', "hash differs")
    need(sha256(payload).hex() == r["digest"], "digest differs")
    need(type(r["v"]) is not int or r["v"] < 2, "newer format", 39)
    need(HEADER.fullmatch(header.decode()) and len(header) <= 2048, "header is not canonical")
    for member, bytes_max in (("tenant", 128), ("id", 256), ("corr", 256), ("key", 128)):
        need(len(r.get(member, "").encode()) <= bytes_max, member + " is too long")
    numbers, (i, n) = (r["seq"], r.get("tseq", 0), r.get("rev", 1)), r.get("grp", (0, 2))
    need(max(numbers) < 2**53 and numbers[2] and i < n <= 65536 and n > 1, "number out of range")
    need(datetime.datetime.fromisoformat(r["at"][:-1]) and r["at"] >= "1970", "at is no time")
    need(body and len(body[1]) <= 16 << 20, "payload has another form")
    return dict(r, hash=rest[:64].decode(), body=body[1])


class Ledger:
    def __init__(self, root):
        self.root, self.seq, self.prev, self.at, self.group = root, 0, "0" * 64, "", None
        self.frontier, self.roots = [], {}

    def read(self, name, code, code_if_missing):
        """A file's bytes. What is wrong from now on is in this file, and has `code` or its own."""
        self.file, self.code = name, code
        need((self.root / name).is_file(), "is missing", code_if_missing)
        return (self.root / name).read_bytes()

    def root_hash(self):
        return functools.reduce(lambda root, left: sha256(b"\1" + left + root), self.frontier[::-1])

    def parse_head(self, data):
        """Size and root of a head, whose signature is not looked at."""
        origin, size, root = data.decode().split("\n")[:3]
        need(origin == self.about["origin"] and re.fullmatch(NUMBER, size), "of another ledger")
        need(base64.b64encode(base64.b64decode(root)).decode() == root, "root is not canonical")
        return int(size), base64.b64decode(root)

    def read_segment(self, data, end, is_open):
        """Takes in lines up to record `end`, or on if `is_open`. Gives what a seal says of them."""
        kinds, at_min, offset, whole = collections.Counter(), None, 0, (0, self.seq)
        try:
            while offset < len(data):
                stop = data.find(b"\n", offset)
                need(is_open or self.seq < end, "bytes past the last record")
                need(stop >= 0, "line is cut short", 30)
                r = parse_line(data[offset:stop])
                (i, n), is_clock = r.get("grp", (0, 1)), r["kind"] == "sys_clock"
                begins = i == 0 and (is_clock or r["at"] > self.at)
                need((i, n, r["at"]) == self.group if self.group else begins, "grp or at is wrong")
                need(not is_clock or n == 1 and offset == 0, "clock record out of place")
                need((r["seq"], r["prev"]) == (self.seq, self.prev), "seq or prev does not follow")
                self.group = (i + 1, n, r["at"]) if i + 1 < n else None
                self.prev, self.at, at_min, offset = r["hash"], r["at"], at_min or r["at"], stop + 1
                size, node, self.seq = self.seq, bytes.fromhex(r["hash"]), self.seq + 1
                while size & 1:
                    size, node = size >> 1, sha256(b"\1" + self.frontier.pop() + node)
                self.frontier.append(node)
                if self.seq in self.roots and not self.group:
                    self.roots[self.seq] = self.root_hash()
                kinds[r["kind"]] += 1
                whole = whole if self.group else (offset, self.seq)
        except BROKEN as error:
            if 39 in error.args or not is_open or whole[1] < end:
                raise
        filler = (b" " * 511 + b"\n") * (len(data) // 512 + 1)
        self.is_torn, self.seq = data[whole[0]:] != filler[whole[0]:len(data)], whole[1]
        need(self.seq >= end, "records are missing", 30)
        return dict(at_min=at_min, at_max=self.at, kinds=dict(sorted(kinds.items())),
                    bytes=len(data), sha256=sha256(data).hex(), last_hash=self.prev)

    def verify(self, outside):
        record = parse_line(self.read("segments/%020d.jsonl" % 0, 31, 36).split(b"\n")[0])
        identity, self.about = self.read("ledger.json", 37, 37), json.loads(record["body"])
        need(identity == record["body"] + b"\n", "not the body of the first record")
        names = ["checkpoint" if "vkey" in self.about else "head", *outside]
        heads = [self.parse_head(self.read(name, 37, 37)) for name in names]
        self.roots, prev_seal = {size: None for size, _ in heads}, "0" * 64
        files = [path.name for path in (self.root / "segments").iterdir()]
        is_part = re.compile(r"0000[0-9]{16}\.(jsonl|seal\.json)").fullmatch
        firsts = sorted({name[:20] for name in files if is_part(name)})
        for first, after in zip(firsts, firsts[1:] + [None]):
            is_sealed = first + ".seal.json" in files or first not in firsts[-2:]
            end = int(after or heads[0][0])
            if is_sealed:
                sealed = self.read("segments/%s.seal.json" % first, 37, 37)
                seal = json.loads(sealed)
                end, root = self.parse_head(seal["head"].encode())
                need((seal["tree_size"], seal["root"]) == (end, root.hex()), "not that of its head")
            lines = self.read("segments/%s.jsonl" % first, 31, 36)
            need(int(first) == self.seq, "the segment before is missing", 36)
            facts = self.read_segment(lines, end, not is_sealed and not after)
            if is_sealed:
                self.read("segments/%s.seal.json" % first, 37, 37)
                need(self.root_hash() == root, "the lines give another root", 32)
                frontier = [node.hex() for node in self.frontier]
                made = {"format": "ledgerstone-seal/1", "ledger": self.about["ledger"],
                        "first": int(first), "last": end - 1, "count": end - int(first), **facts,
                        "tree_size": end, "root": root.hex(), "frontier": frontier,
                        "prev_seal": prev_seal, "head": seal["head"]}
                text = json.dumps(made, separators=(",", ":"), ensure_ascii=False) + "\n"
                need(text.encode() == sealed, "differs from the lines, or from the seal before")
                prev_seal, self.roots[end] = sha256(sealed).hex(), root
        need(self.seq >= heads[0][0], "its last segment is missing", 36)
        for self.file, (size, root) in zip(names, heads):
            need(size <= self.seq, "there are fewer records", 33)
            need(self.roots[size] == root, "the records give another root", 32)
        need(self.seq in self.roots and not self.is_torn, "records or bytes under no head", 20)


if __name__ == "__main__":
    ledger = Ledger(pathlib.Path(sys.argv[1]))
    try:
        ledger.verify([pathlib.Path(head).absolute() for head in sys.argv[2:]])
    except BROKEN as error:
        code = error.args[1] if type(error) is ValueError and error.args[1:] else ledger.code
        print(code, ledger.file, ledger.seq, error.args[0])
        sys.exit(code)
    print(0, ledger.root, ledger.seq, "records")
