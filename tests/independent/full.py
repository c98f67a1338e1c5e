#!/usr/bin/env python3
"""Verifies a ledger of format ledgerstone/1. Made from formats/FORMAT.md alone, with Python's standard library (3.8 or later).

Checks all that the format says, and goes on after a finding; verify.py is the short program to begin with.
One finding a line: CODE FILE LINE SEQ REASON. The last line is the verdict; of several ledgers each has one, after its
findings, and the exit status is the worst code.
"""
import argparse
import fcntl
import json
import os
import pathlib
import re
import sys

sys.dont_write_bytecode = True
from chain import UNKNOWN, Chain
from line import attempt, parse_line
from seal import encode, parse_seal, seal_of
from standards import parse_checkpoint, parse_verifier_key, sha256

WORST_FIRST = (32, 33, 30, 31, 36, 37, 39, 38, 20, 3, 0)
SEGMENT, SEAL = "segments/%020d.jsonl", "segments/%020d.seal.json"


class Ledger:
    def __init__(self, root):
        self.root, self.codes, self.prev_seal = root, [0], "0" * 64
        self.chain = Chain(self.say)

    def read(self, name):
        return (self.root / name).read_bytes() if (self.root / name).is_file() else b""

    def say(self, code, *place_and_reason):
        self.codes.append(code)
        print(code, *place_and_reason)

    def say_missing(self, first):
        other = [path for path in (self.root / "segments").glob("%020d.jsonl.*" % first) if path.suffix != ".tmp"]
        reason = "stands in a newer format" if other else "segment is missing"
        self.say(39 if other else 36, SEGMENT % first, "-", first, reason)

    def is_locked(self):
        directory = os.open(self.root, os.O_RDONLY)
        try:
            return bool(fcntl.flock(directory, fcntl.LOCK_SH | fcntl.LOCK_NB))
        except OSError:
            return True
        finally:
            os.close(directory)

    def check_segment(self, first, end_seq, is_last, seal, data):
        """Checks a segment, up to `end_seq`, and its seal, if it holds in itself, whose file has the bytes `data`."""
        chain, file, facts = self.chain, SEGMENT % first, None
        if chain.seq not in (None, first):
            if chain.seq < first:
                self.say_missing(chain.seq)
            else:
                self.say(31, file, "-", first, "the segment before goes beyond this one's name")
            chain.go_on(UNKNOWN)
        chain.seq, end_seq = first, seal["tree_size"] if seal else end_seq
        if (self.root / file).is_file():
            facts = chain.read_segment(file, self.read(file), end_seq, self.head[1], is_last and not seal, self.is_locked)
        else:
            self.say_missing(first)
        if facts and seal:
            chain.nodes = list(seal["nodes"]) if chain.nodes is None else chain.nodes
            facts = {name: seal[name] if fact is None else fact for name, fact in facts.items()}
            made = seal_of(self.id, first, chain.seq, facts, chain.nodes, self.prev_seal or seal["prev_seal"], seal["head"])
            if made["root"] != seal["root"]:
                self.say(32, file, "-", first, "the lines give another root than the seal")
                facts, seal = None, dict(seal, last_hash=None)  # what comes next may follow either of them
            elif encode(made) != data:
                seal = self.say(37, SEAL % first, 1, first, "differs from the lines, or from the seal before")
        if not facts:
            chain.go_on(seal or UNKNOWN)
            chain.books.is_known = False
        self.prev_seal = seal and sha256(data).hex()

    def check_heads(self, heads, own_head, sealed, is_signed):
        """Compares the heads with the records; `sealed` records are under a seal."""
        chain, covered = self.chain, sealed
        for name, (size, root) in heads:
            is_own = name == own_head
            is_past = chain.seq is not None and size > chain.seq
            unknown = None if is_past or not chain.books.is_known else b"no group ends there"
            if root is None:
                self.say(37, name, 1, "-", "missing, altered, or not a head of this ledger")
            elif chain.roots.get(size, unknown) not in (None, root):
                is_edited = is_own and not is_signed and (root == chain.root() or covered >= size)
                self.say(37 if is_edited else 32, name, 1, size, "the records give another root at this size")
            elif is_past:
                self.say(37 if is_own else 33, name, 1, chain.seq, "there are only %d records" % chain.seq)
            else:
                covered = max(covered, size)
        if chain.seq and chain.seq > covered and not {*self.codes} - {0, 20, 38} and not self.is_locked():
            self.say(20, "segments", "-", covered, "records are under no head")

    def verify(self, vkey, outside):
        """Reads heads and seals first, then the segments in their order, and compares the heads at the end."""
        chain = self.chain
        identity, record = self.read("ledger.json"), attempt(parse_line, self.read(SEGMENT % 0).split(b"\n")[0])
        genesis = (record and record.body or identity[:-1]) + b"\n"
        about = attempt(lambda: dict(json.loads(genesis))) or {}
        self.id, origin, own_key = about.get("ledger"), str(about.get("origin")), about.get("vkey")
        if identity != genesis or record and (record.id, record.at) != (self.id, about.get("created")):
            self.say(37, "ledger.json", 1, 0, "not the body of the genesis record")
        if vkey not in (None, own_key):
            self.say(32, "ledger.json", 1, 0, "not the ledger of the key that was given")
        public = (attempt(parse_verifier_key, vkey or own_key) or [bytes(32)])[-1] if vkey or own_key else None
        own_head = "checkpoint" if own_key else "head"
        files = [(name, pathlib.Path(name).read_bytes()) for name in outside] + [(own_head, self.read(own_head))]
        heads = [(name, attempt(parse_checkpoint, data, origin, public) or (0, None)) for name, data in files]
        self.head, chain.wanted = heads[-1][1], {size for _, (size, _) in heads}
        names = [path.name for path in (self.root / "segments").glob("*")]
        firsts = sorted({int(name[:20]) for name in names if re.fullmatch(r"0000[0-9]{16}\.(jsonl|seal\.json)", name)})
        seals = [(first, self.read(SEAL % first)) for first in firsts]
        seals = [(data, attempt(parse_seal, data, first, origin, public)) for first, data in seals]
        sealed = max((seal["tree_size"] for _, seal in seals if seal), default=0)
        covered = max(sealed, self.head[0])
        for first, after, (data, seal) in zip(firsts, firsts[1:] + [None], seals):
            if not seal and (first < sealed or first in firsts[:-2] or (SEAL % first)[9:] in names):
                self.say(37, SEAL % first, 1, first, "missing or altered")
            self.check_segment(first, after or covered, after is None, seal, data)
        if chain.seq is not None and chain.seq < covered and chain.root() != self.head[1]:
            self.say_missing(chain.seq)
            chain.go_on(UNKNOWN)
            chain.books.is_known = False
        self.check_heads(heads, own_head, sealed, public is not None)


def judge(directory, vkey, outside):
    """Prints the findings and the verdict of a ledger, and gives the verdict."""
    ledger = Ledger(directory)
    try:
        ledger.verify(pathlib.Path(vkey).read_text().strip() if vkey and os.path.isfile(vkey) else vkey, outside)
    except OSError as error:
        ledger.say(3, error.filename, "-", "-", error.strerror)
    verdict = min(ledger.codes, key=WORST_FIRST.index)
    told = "" if verdict else "whole" if outside else "self-consistent; no outside head was given"
    print("verdict", verdict, directory, told)
    return verdict


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("dir", type=pathlib.Path, nargs="+")
    parser.add_argument("--vkey", help="verifier key, or the file that holds it")
    parser.add_argument("--head", action="append", default=[], help="a head from outside")
    parser.add_argument("--beside", action="store_true", help="take the head beside each directory as one from outside")
    given = parser.parse_args()
    verdicts = []
    for directory in given.dir:
        if not directory.is_dir():
            parser.error("%s is no directory" % directory)
        beside = [str(directory) + ending for ending in (".key.head", ".head") if given.beside]
        verdicts.append(judge(directory, given.vkey, given.head + [name for name in beside if os.path.isfile(name)]))
    sys.exit(min(verdicts, key=WORST_FIRST.index))
