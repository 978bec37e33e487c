"""The block in an APK that holds its signatures: which schemes, and whose certificates.

This says what is there, not that it is right: `signing.verify` does that.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from sdk_builder.app.formats import Bytes, FormatError

_MAGIC = b"APK Sig Block 42"
_SCHEMES = {0x7109871A: "v2", 0xF05368C0: "v3", 0x1B93AD61: "v3.1"}
_END_BYTES = 22


@dataclass(frozen=True)
class Signatures:
    """schemes: in order; certificates: of each signer, in DER."""

    schemes: tuple[str, ...]
    certificates: tuple[bytes, ...]

    @property
    def signers(self) -> tuple[str, ...]:
        """SHA-256 of each signer's certificate, in hex."""
        return tuple(hashlib.sha256(one).hexdigest() for one in self.certificates)


def read_signatures(data: bytes, has_v1: bool) -> Signatures:
    """The signatures of a whole APK. Raises FormatError where the block is damaged."""
    first = ("v1",) if has_v1 else ()
    view = Bytes(data, "the signing block")
    end = data.rfind(b"PK\5\6", max(0, len(data) - _END_BYTES - 0xFFFF))
    if end < 0:
        raise FormatError("the archive has no end")
    directory = view.u32(end + 16)
    if directory < 32 or view.slice(directory - 16, 16) != _MAGIC:
        return Signatures(first, ())
    (size,) = view.unpack("Q", directory - 24)
    start = directory - size  # behind the size that stands in front
    if view.unpack("Q", start - 8) != (size,):
        raise view.short(start)
    schemes: list[str] = []
    certificates: list[bytes] = []
    while start < directory - 24:
        (length,) = view.unpack("Q", start)
        if length < 4:
            raise view.short(start)
        scheme = _SCHEMES.get(view.u32(start + 8))
        if scheme:
            schemes.append(scheme)
            block = Bytes(view.slice(start + 12, length - 4), "the signing block")
            certificates += [one for one in _certificates(block) if one not in certificates]
        start += 8 + length
    return Signatures((*first, *sorted(schemes)), tuple(certificates))


def _certificates(block: Bytes) -> list[bytes]:
    """Of a v2 or v3 block: signers, of which each begins with what is signed."""
    found = []
    place, end = 4, 4 + block.u32(0)
    while place < end:
        size = block.u32(place)
        signed = place + 8  # behind the signer's and the signed data's length
        certificates = signed + 4 + block.u32(signed)  # behind the digests
        length = block.u32(certificates + 4)
        found.append(bytes(block.slice(certificates + 8, length)))
        place += 4 + size
    return found
