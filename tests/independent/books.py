"""Bookkeeping: what the records say about each other beyond the chain. FORMAT.md, "System kinds" and "Header members"."""

import collections

from families import Uniques, parse_family
from line import attempt

SYSTEM = ("genesis", "recovery", "key", "family", "archive", "hold", "release", "erasure", "prune", "export", "clock",
          "verify", "refused", "tick")


class Books:
    def __init__(self):
        self.counts = collections.Counter()
        self.versioned = {}
        self.uniques = Uniques()
        self.is_known = True  # until records are missing: what the counters should be is not known then
        self.is_complete = True  # until lines of a newer version come, whose counters are not known

    def findings(self, r):
        """What is wrong with the next record, as codes and reasons; the record is entered."""
        if r.body is None:
            yield 36, "body is null without an erasure record"
        if r.kind.startswith("sys_") and r.kind[4:] not in SYSTEM:
            yield 38, "no such kind of the system"
        if (r.kind == "sys_genesis") != (r.seq == 0):
            yield 38, "genesis is the first record, and only the first"
        family = attempt(parse_family, r.id, r.body) if r.kind == "sys_family" else {}
        if family is None:
            yield 38, "the body declares no family"
        elif r.kind == "sys_family":
            self.uniques.declare(r.id, family)
        if not (self.is_known and self.is_complete):
            return
        tenant, entity, key = ("tenant", r.tenant), ("entity", r.kind, r.tenant, r.id), ("key", r.tenant, r.key)
        if r.tenant is not None and r.tseq != self.counts[tenant]:
            yield 38, "tseq is %d, expected %d" % (r.tseq, self.counts[tenant])
        if self.versioned.setdefault(r.kind, r.rev is not None) != (r.rev is not None):
            yield 38, "rev stands in some records of the kind only"
        elif r.rev is not None and r.rev != self.counts[entity] + 1:
            yield 38, "rev is %d, expected %d" % (r.rev, self.counts[entity] + 1)
        if r.key is not None and self.counts[key]:
            yield 38, "key stands in an earlier record"
        if self.uniques.enter(r):
            yield 38, "another thing has a value that is unique"
        self.counts.update((tenant, entity, key))
