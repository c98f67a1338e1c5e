"""What may stand after the last whole group of a ledger's last segment: FORMAT.md, "Filler" and "Torn tail"."""

import re

from line import attempt, begins_with_line, parse_line

SECTOR = 512
GROUP_BYTES_MAX = 64 << 20


def filler(start, end):
    """The filler of the file's bytes from `start` to `end`."""
    sectors = (end - start) // SECTOR + 2
    return ((b" " * (SECTOR - 1) + b"\n") * sectors)[start % SECTOR:][:end - start]


def without_filler(data):
    """A segment without the filler at its end, if what stands at its end is that and follows a line."""
    end = len(data.rstrip(b" \n"))
    end += end > 0  # the LF of the last line is not filler
    is_filler = data[end - 1:end] in (b"", b"\n") and data[end:] == filler(end, len(data))
    return data[:end] if is_filler else data


def is_torn(data, start, seq, prev, at):
    """Can one interrupted append have left the bytes from `start` on? `data` is without filler at its end.

    `seq`, `prev` and `at` are the next sequence number, and hash and time of the last record.
    """
    text = mark_unwritten(data, start).rstrip(b"\0")
    pieces = text.split(b"\n")
    if text.endswith(b" \n") and (start + len(text)) % SECTOR == 0:
        pieces.pop()  # a short write: the LF is that of the filler behind it
    lines, due, adjacent = [], (seq, prev), True
    for place, piece in enumerate(pieces, 1):
        cut, *_, rest = [piece.split(b"\0")[0], *piece.split(b"\0")]
        adjacent = adjacent and b"\0" not in piece  # nothing is missing before it
        line = attempt(parse_line, rest)
        if line:
            if line.seq < due[0] or (adjacent or line.seq == due[0]) and (line.seq, line.prev) != due:
                return False
            lines.append(line)
            due = (line.seq + 1, line.hash)
        elif place < len(pieces) and b"\0" not in piece:
            return False  # only what touches an unwritten sector, or the end, may be cut short
        if any(attempt(begins_with_line, part.rstrip(b" ")) for part in (cut, rest)):
            return False
        adjacent = bool(line)
    count = lines[0].n if lines else 1
    is_one_group = all((r.seq - r.i, r.n, r.at) == (seq, count, lines[0].at) for r in lines)
    follows = all(r.at > at and (r.i > 0 or r.prev == prev) for r in lines)
    is_incomplete = b"\0" in text or pieces[-1] != b"" or len({r.i for r in lines}) < count
    is_text = not re.search(rb"[\1-\x08\x0b-\x1f]", text)
    return is_one_group and follows and is_incomplete and is_text and len(text) <= GROUP_BYTES_MAX


def mark_unwritten(data, start):
    """The bytes from `start` on, with NUL for every byte of a sector that was never written, and for no other."""
    parts = []
    for begin in [start, *range(start // SECTOR * SECTOR + SECTOR, len(data), SECTOR)]:
        part = data[begin:begin // SECTOR * SECTOR + SECTOR]
        unwritten = not part.strip(b"\0") or part == filler(begin, begin + len(part))
        parts.append(bytes(len(part)) if unwritten else part.replace(b"\0", b"\1"))
    return b"".join(parts)
