"""A word in the metadata of a PNG file that says what it was drawn from: it goes where the file goes.

The format is that of the specification (W3C, third edition, 5.3 and 11.3.3.3): a signature, then chunks of a
length, a type, data and a CRC; `tEXt` holds a keyword and a text. Broken and truncated files have no stamp.
"""

import struct
import zlib
from pathlib import Path

KEYWORD = "Sashiko"
SIGNATURE = b"\x89PNG\r\n\x1a\n"


def stamp_of(path: Path) -> str | None:
    """The stamp of a file; None if it has none, is no whole PNG, or is not there."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    chunks = _chunks(data) if data.startswith(SIGNATURE) else None
    if not chunks or chunks[-1][0] != b"IEND":
        return None
    texts = (part.partition(b"\0") for kind, part in chunks if kind == b"tEXt")
    found = [text.decode("latin-1") for keyword, _, text in texts if keyword == KEYWORD.encode()]
    return found[0] if len(found) == 1 else None


def _chunks(data: bytes) -> list[tuple[bytes, bytes]] | None:
    """The chunks by type; None where one is cut off or its CRC is another."""
    found, place = [], len(SIGNATURE)
    while place < len(data):
        if place + 12 > len(data):
            return None
        (length,) = struct.unpack_from(">I", data, place)
        kind, part = data[place + 4 : place + 8], data[place + 8 : place + 8 + length]
        end = place + 8 + length
        if data[end : end + 4] != struct.pack(">I", zlib.crc32(kind + part)):
            return None
        found.append((kind, part))
        place = end + 4
    return found
