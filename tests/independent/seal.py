"""Seals: FORMAT.md, "Seals"."""

import json

from line import need
from standards import parse_checkpoint, root_of


def encode(members):
    return json.dumps(members, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"


def parse_seal(data, first, origin, public):
    """A seal that its own form and its head prove, so that it may be believed where lines are bad or missing.

    `nodes` is added: its frontier as bytes.
    """
    seal = json.loads(data.decode())
    size, root = parse_checkpoint(seal["head"].encode(), origin, public)
    nodes = [bytes.fromhex(node) for node in seal["frontier"]]
    need(encode(seal) == data, "not canonical")
    need((seal["first"], seal["tree_size"], seal["root"]) == (first, size, root.hex()), "differs from its head")
    need(len(nodes) == bin(size).count("1") and root_of(nodes) == root, "frontier differs from the root")
    return dict(seal, nodes=nodes)


def seal_of(ledger, first, size, facts, nodes, prev_seal, head):
    """The seal of a segment whose lines gave `facts` and brought the tree to `size` and the frontier `nodes`."""
    return dict(
        format="ledgerstone-seal/1", ledger=ledger, first=first, last=size - 1, count=size - first, **facts,
        tree_size=size, root=root_of(nodes).hex(), frontier=[node.hex() for node in nodes], prev_seal=prev_seal,
        head=head)
