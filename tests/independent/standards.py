"""The public standards that the format builds on, with Python's standard library alone.

RFC 6962 tree hashes, Ed25519 (RFC 8032, section 5.1), C2SP signed notes and tlog checkpoints. The curve arithmetic is slow
and not constant in time: for verifying, and for signing with test keys only.
"""

import base64
import hashlib
import re


def sha256(data):
    return hashlib.sha256(data).digest()


def leaf_hash(data):
    return sha256(b"\x00" + data)


def node_hash(left, right):
    return sha256(b"\x01" + left + right)


def push(frontier, size, leaf):
    """Adds a leaf hash to the frontier of a tree of `size` leaves."""
    while size & 1:
        leaf = node_hash(frontier.pop(), leaf)
        size >>= 1
    frontier.append(leaf)


def root_of(frontier):
    """The root that follows from the roots of a tree's perfect subtrees, largest first."""
    root = frontier[-1] if frontier else sha256(b"")
    for left in frontier[-2::-1]:
        root = node_hash(left, root)
    return root


P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
ROOT_OF_MINUS_ONE = pow(2, (P - 1) // 4, P)
IDENTITY = (0, 1)


def add(p, q):
    """Adds two points (x, y) of the twisted Edwards curve."""
    k = D * p[0] * q[0] * p[1] * q[1] % P
    inverse = pow(1 - k * k, -1, P)
    x = (p[0] * q[1] + p[1] * q[0]) * (1 - k) * inverse
    y = (p[1] * q[1] + p[0] * q[0]) * (1 + k) * inverse
    return x % P, y % P


def multiply(scalar, point):
    total = IDENTITY
    while scalar:
        if scalar & 1:
            total = add(total, point)
        point = add(point, point)
        scalar >>= 1
    return total


def encode(point):
    return (point[1] | (point[0] & 1) << 255).to_bytes(32, "little")


def decode(data):
    """The point that 32 bytes stand for; None when they are no canonical encoding of one."""
    sign, y = divmod(int.from_bytes(data, "little"), 2**255)
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * ROOT_OF_MINUS_ONE % P
    if (x * x - square) % P or y >= P or (x == 0 and sign):
        return None
    return (P - x if x & 1 != sign else x), y


BASE = decode(b"\x58" + b"\x66" * 31)


def hash_to_scalar(*parts):
    return int.from_bytes(hashlib.sha512(b"".join(parts)).digest(), "little") % ORDER


def expand(seed):
    digest = hashlib.sha512(seed).digest()
    return int.from_bytes(digest[:32], "little") & ((1 << 254) - 8) | 1 << 254, digest[32:]


def public_key(seed):
    return encode(multiply(expand(seed)[0], BASE))


def sign(seed, message):
    scalar, prefix = expand(seed)
    nonce = hash_to_scalar(prefix, message)
    commitment = encode(multiply(nonce, BASE))
    challenge = hash_to_scalar(commitment, public_key(seed), message)
    return commitment + ((nonce + challenge * scalar) % ORDER).to_bytes(32, "little")


def verify(public, message, signature):
    """True for a valid signature. Strict: no cofactor, and neither the key nor the commitment of small order."""
    if len(public) != 32 or len(signature) != 64:
        return False
    key, commitment = decode(public), decode(signature[:32])
    scalar = int.from_bytes(signature[32:], "little")
    if key is None or commitment is None or scalar >= ORDER:
        return False
    if IDENTITY in (multiply(8, key), multiply(8, commitment)):
        return False
    challenge = hash_to_scalar(signature[:32], public, message)
    return multiply(scalar, BASE) == add(commitment, multiply(challenge, key))


def unbase64(text, length):
    """Decodes standard base64 with padding; anything but the one canonical form is a ValueError."""
    data = base64.b64decode(text, validate=True)
    if len(data) != length or base64.b64encode(data).decode() != text:
        raise ValueError("bad base64")
    return data


def key_id(name, public):
    return sha256(name.encode() + b"\n\x01" + public)[:4]


def verifier_key(name, public):
    """NAME+KEYID+BASE64 of a public key."""
    return "%s+%s+%s" % (name, key_id(name, public).hex(), base64.b64encode(b"\x01" + public).decode())


def parse_verifier_key(text):
    """Name and public key of NAME+KEYID+BASE64."""
    name, _, data = text.split("+", 2)
    data = unbase64(data, 33)
    if data[0] != 1 or verifier_key(name, data[1:]) != text:
        raise ValueError("bad verifier key")
    return name, data[1:]


def sign_note(text, name, seed):
    """The note of a text that ends in LF."""
    public = public_key(seed)
    signature = base64.b64encode(key_id(name, public) + sign(seed, text)).decode()
    return text + ("\n\u2014 %s %s\n" % (name, signature)).encode()


def open_note(note, name, public):
    """The text of a note with exactly one signature, this key's; else a ValueError."""
    text, blank, signature = note.partition(b"\n\n")
    line = re.fullmatch("\u2014 ([^ \n]+) ([^ \n]+)\n", signature.decode())
    if not line or line[1] != name:
        raise ValueError("not signed by " + name)
    signature = unbase64(line[2], 68)
    if signature[:4] != key_id(name, public) or not verify(public, text + b"\n", signature[4:]):
        raise ValueError("signature does not hold")
    return text + b"\n"


def checkpoint_text(origin, size, root):
    return ("%s\n%d\n%s\n" % (origin, size, base64.b64encode(root).decode())).encode()


def parse_checkpoint(data, origin, public):
    """Size and root of a checkpoint with one signature, or with none where `public` is None; else a ValueError."""
    text = open_note(data, origin, public) if public else data
    name, size, root, rest = text.decode().split("\n")
    if not re.fullmatch("0|[1-9][0-9]{0,15}", size) or checkpoint_text(origin, int(size), unbase64(root, 32)) != text:
        raise ValueError("not a checkpoint of " + origin)
    return int(size), unbase64(root, 32)
