"""How one weight matrix is stored, and what that costs in bits. No torch.

Every format here runs on kernels that the stock Android runtime has.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod

_SCALE_BITS_PER_GROUP = 16  # bf16
_SCALE_BITS_PER_ROW = 32  # fp32
_OFFSET_BITS = 8


@dataclass(frozen=True)
class WeightFormat:
    """Storage of a matrix ``[out, in]``.

    bits: 32 (float), 8 (int8, a scale for each output channel) or 4 (int4, a scale for each
    `group_size` inputs); offset: int4 only, each group also has an int8 offset, so that its 16
    levels need not be symmetric around zero.
    """

    name: str
    bits: int
    group_size: int | None = None
    offset: bool = False

    def size_bits(self, shape: tuple[int, ...]) -> int:
        """Bits of a tensor of `shape` in this format, scales and offsets included."""
        count = prod(shape)
        if self.bits == 32:
            return 32 * count
        rows = shape[0]
        if self.group_size is None:
            return self.bits * count + _SCALE_BITS_PER_ROW * rows
        groups = count // self.group_size
        size = self.bits * count + _SCALE_BITS_PER_GROUP * groups
        return size + (_OFFSET_BITS * groups + _SCALE_BITS_PER_ROW * rows if self.offset else 0)

    def grouped(self, group_size: int) -> WeightFormat:
        """The same with another group size; formats without groups stay as they are."""
        if self.group_size in (None, group_size):
            return self
        return replace(self, name=f"{self.name} g{group_size}", group_size=group_size)

    def fits(self, shape: tuple[int, ...]) -> bool:
        """Whether a matrix of `shape` can be stored so."""
        return self.group_size is None or shape[-1] % self.group_size == 0


FLOAT = WeightFormat("fp32", 32)
INT8 = WeightFormat("int8", 8)
INT4 = WeightFormat("int4", 4, group_size=32)
INT4_OFFSET = WeightFormat("int4+offset", 4, group_size=32, offset=True)
