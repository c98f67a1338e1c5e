"""The records of a ledger in their order: FORMAT.md, "Chain, groups and time", "Tree and heads"."""

import collections

from books import Books
from line import BROKEN, NEWER, NEWER_VERSION, attempt, begins_with_line, need, parse_line, parse_newer
from standards import push, root_of, sha256
from tail import judge_tail, without_filler

START = dict(tree_size=0, last_hash="0" * 64, at_max="", nodes=[])
UNKNOWN = dict(tree_size=None, last_hash=None, at_max="", nodes=None)


class Chain:
    """Where a walk along the records stands. `say` takes a finding: code, file, line, seq, reason."""

    def __init__(self, say):
        self.say, self.books = say, Books()
        self.wanted, self.roots = set(), {}  # sizes whose roots are kept, and these roots
        self.go_on(START)

    def go_on(self, state):
        """Goes on behind a segment, as far as the state there is known: that of a seal, START or UNKNOWN."""
        self.seq, self.prev, self.at, self.group = state["tree_size"], state["last_hash"], state["at_max"], None
        self.nodes = None if state["nodes"] is None else list(state["nodes"])

    def root(self):
        return None if self.nodes is None else root_of(self.nodes)

    def take(self, r, opens_segment):
        """Takes in a record that is whole by itself, if it follows the one before."""
        need(r.seq == self.seq, "seq is %d, expected %d" % (r.seq, self.seq))
        need(self.prev in (None, r.prev), "prev is not the hash of the record before")
        need(r.kind != "sys_clock" or opens_segment and r.n == 1, "clock record not alone at the start of a segment")
        later = r.at > self.at or r.kind in ("sys_clock", NEWER)
        need((r.i, r.n, r.at) == self.group if self.group else r.i == 0 and later, "grp or at does not follow")
        self.group = (r.i + 1, r.n, r.at) if r.i + 1 < r.n else None
        self.seq, self.prev, self.at = r.seq + 1, r.hash, r.at or self.at
        if self.nodes is not None:
            push(self.nodes, r.seq, bytes.fromhex(r.hash))
        if self.seq in self.wanted and not self.group:
            self.roots[self.seq] = self.root()

    def read_segment(self, file, data, end_seq, newest_root, is_open, is_locked):
        """Reads a segment that has to reach up to `end_seq`; None when lines are bad or missing, else what its seal says
        of them, without what newer lines do not tell. The open segment may go on behind `end_seq`, or end before it under a root that is the newest head's:
        then it is that head, without a signature, whose size was edited.
        """
        offset, number, kinds, times = 0, 0, collections.Counter(), [""]
        reason, whole = "records are missing", (0, self.seq, self.prev, "")
        data = without_filler(data) if is_open else data
        while offset < len(data):
            end = data.find(b"\n", offset) % (len(data) + 1)
            try:
                need(is_open or self.seq < end_seq, "line past the end of the segment")
                need(end < len(data), NEWER if NEWER_VERSION.match(data, offset) else "line is cut short")
                r = (parse_newer if NEWER_VERSION.match(data, offset) else parse_line)(data[offset:end])
                self.take(r, offset == 0)
            except BROKEN as error:
                reason = str(error)
                break
            offset, number, times, kinds[r.kind] = end + 1, number + 1, [times[0] or r.at, r.at], kinds[r.kind] + 1
            whole = whole if self.group else (offset, self.seq, self.prev, self.at)
            if r.kind == NEWER:
                self.books.is_complete = False
                if kinds[NEWER] == 1:
                    self.say(39, file, number, r.seq, "newer format: only what every version keeps was checked")
            else:
                for code, finding in self.books.findings(r):
                    self.say(code, file, number, r.seq, finding)
        code, rest = 0, data[offset:]
        if is_open and whole[1] >= end_seq:  # no head covers what stands after the last whole group
            if whole[0] < len(data):
                code = judge_tail(data, *whole)
            if code == 20:
                number, code = number - self.seq + whole[1], 0 if is_locked() else 20
                reason = "an unfinished group"
            if code < 30:
                self.seq = whole[1]
        elif rest or self.group or self.seq < end_seq and self.root() != newest_root:
            is_cut = self.seq < end_seq and b"\n" not in rest and not attempt(begins_with_line, rest)
            code = 39 if reason == NEWER else 30 if is_cut else 31
        if code:
            self.say(code, file, number + 1, self.seq, reason)
        facts = dict(at_min=times[0], at_max=times[-1], kinds=dict(sorted(kinds.items())))
        if kinds[NEWER]:
            facts = dict.fromkeys(facts)
        return None if code > 20 else dict(facts, bytes=len(data), sha256=sha256(data).hex(), last_hash=self.prev)
