"""What may stand after the last whole group of a ledger's last segment: FORMAT.md, "Filler" and "Torn tail"."""

import re

from line import NEWER_VERSION, attempt, begins_with_line, parse_line, parse_newer

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


def judge_tail(data, start, seq, prev, at):
    """What the bytes from `start` on are: 20 if one interrupted append can have left them, 31 if they are damage, 39 if a
    newer format wrote them. `data` is without filler at its end.

    `seq`, `prev` and `at` are the next sequence number, and hash and time of the last record.
    """
    text, lines, gaps = mark_unwritten(data, start).rstrip(b"\0"), [], False
    if text.endswith(b" \n") and (start + len(text)) % SECTOR == 0:
        text = text[:-1]  # a short write: the LF is that of the filler behind it
    for stretch in re.finditer(rb"[^\0]+", text):
        headless = stretch.start() > 0
        *pieces, rest = stretch[0].split(b"\n")
        gaps = gaps or headless or rest != b""
        rest = rest.rstrip(b" ")
        if NEWER_VERSION.match(rest) and (pieces or not headless):
            return 39
        if attempt(begins_with_line, rest):
            return 31
        adjacent = not headless
        for place, piece in enumerate(pieces + [rest]):
            line = attempt(parse_line, piece)
            if line and not continues(line, lines[-1] if lines else None, adjacent, seq, prev, at):
                return 31
            if not line and place < len(pieces) and (place > 0 or not headless):
                return 39 if is_newer(piece) else 31  # what has a beginning and an end has to be a line
            lines += [line] if line else []
            adjacent = line is not None
    if re.search(rb"[\1-\x08\x0b-\x1f]", text) or len(text) > GROUP_BYTES_MAX:
        return 31
    return 20 if gaps or len(lines) < (lines[0].n if lines else 1) else 31


def continues(line, before, adjacent, seq, prev, at):
    """Can a line stand in the unfinished group behind the line `before`, or at its start?"""
    group = (line.seq - line.i, line.n, line.at)
    if group[0] != seq or line.at <= at or before and group != (before.seq - before.i, before.n, before.at):
        return False
    next_seq, last_hash = (before.seq + 1, before.hash) if before else (seq, prev)
    if line.seq < next_seq or adjacent and line.seq > next_seq:
        return False
    return line.seq > next_seq or line.prev == last_hash


def is_newer(piece):
    """True for a line of a later version of which all that every version keeps holds."""
    return NEWER_VERSION.match(piece) and attempt(parse_newer, piece)


def mark_unwritten(data, start):
    """The bytes from `start` on, with NUL for every byte of a sector that was never written, and for no other."""
    parts = []
    for begin in [start, *range(start // SECTOR * SECTOR + SECTOR, len(data), SECTOR)]:
        part = data[begin:begin // SECTOR * SECTOR + SECTOR]
        unwritten = not part.strip(b"\0") or part == filler(begin, begin + len(part))
        parts.append(bytes(len(part)) if unwritten else part.replace(b"\0", b"\1"))
    return b"".join(parts)
