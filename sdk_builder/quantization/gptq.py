"""Calibrated rounding: integers chosen for what a matrix computes, not for its weights.

The squared error of a layer's outputs is ``tr(R H R^T)`` with R the error of the weights and H
the second moment of its inputs. GPTQ (Frantar et al., arXiv 2210.17323) rounds input by input and
lets the inputs that are still to come make up for each error. Afterwards scales and offsets are
fitted to the integers by least squares under H, and the integers once more to them, one coordinate
at a time.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torchao.quantization import IntxUnpackedToInt8Tensor

from sdk_builder.quantization.formats import WeightFormat
from sdk_builder.quantization.grid import (
    Grid,
    IntGrid,
    Levels,
    from_parts,
    levels_of,
    offset_step,
    round_offsets,
    search_grid,
    search_scale,
    to_parts,
    values,
)
from sdk_builder.quantization.threads import map_rows, single_threaded

VERSION = 5  # of the method: another one makes other values from the same input
DAMPING = 0.01
_BLOCK = 64


def gptq(
    weight: Tensor, moment: Tensor, weight_format: WeightFormat, *, rounds: int = 1
) -> IntxUnpackedToInt8Tensor:
    """`weight` ``[out, in]`` in an int4 or int8 format.

    moment: mean of x x^T over inputs, ``[in, in]`` float32; rounds: of fitting scales and integers
    to each other afterwards.
    """
    levels = levels_of(weight_format, weight.shape[1])
    damped = damp(moment, DAMPING)
    with single_threaded():
        factor = _inverse_factor(damped)

    def rows(part: Tensor) -> IntGrid:
        transposed = part.T.contiguous()
        z, grid = _round_in_order(transposed, damped, factor, levels)
        for _ in range(rounds):
            grid = _better_grid(transposed, damped, z, grid, levels)
            z = _descend(transposed, damped, z, grid, levels)
        return to_parts(z, grid)

    found = map_rows(rows, weight)
    return from_parts(IntGrid(*map(torch.cat, zip(*found, strict=True))), weight_format)


def damp(moment: Tensor, share: float) -> Tensor:
    """`moment` with a share of its mean diagonal added."""
    mean = moment.diagonal().mean().clamp_min(1e-12)
    return moment + share * mean * torch.eye(len(moment), device=moment.device)


def output_error(weight: Tensor, stored: Tensor, moment: Tensor) -> float:
    """``tr(R H R^T)``, R = stored - weight ``[out, in]``."""
    difference = stored - weight
    return float(((difference @ moment) * difference).sum())


def _round_in_order(
    weight: Tensor, moment: Tensor, factor: Tensor, levels: Levels
) -> tuple[Tensor, Grid]:
    importance = moment.diagonal()
    whole_row = levels.size == len(weight)
    scale, offset = _first_grid(weight, importance, levels, needed=whole_row or levels.offset)
    step = None if offset is None else offset_step(offset)
    work, z, nothing = weight.clone(), torch.empty_like(weight), torch.zeros(())
    block = max(_BLOCK, 0 if whole_row else levels.size)
    for start in range(0, len(weight), block):
        stop = min(start + block, len(weight))
        errors = torch.empty_like(work[start:stop])
        for j in range(start, stop):
            group = j // levels.size
            if j % levels.size == 0 and not whole_row:
                part = slice(j, j + levels.size)
                scale[group], found = search_scale(work[part], importance[part], levels)
                if offset is not None and found is not None:
                    offset[group] = round_offsets(found, step)
            shift = nothing if offset is None else offset[group]
            z[j] = ((work[j] - shift) / scale[group]).round_().clamp_(levels.low, levels.high)
            error = (work[j] - z[j] * scale[group] - shift) / factor[j, j]
            work[j + 1 : stop] -= factor[j, j + 1 : stop, None] * error
            errors[j - start] = error
        work[stop:] -= factor[start:stop, stop:].T @ errors
    # The file keeps offsets in steps of their row's largest, which may be smaller than expected.
    return z, Grid(scale, None if offset is None else round_offsets(offset))


def _first_grid(
    weight: Tensor, importance: Tensor, levels: Levels, *, needed: bool
) -> tuple[Tensor, Tensor | None]:
    """Scale and offset before any error was passed on, to be overwritten group by group.

    Not needed where each group finds its own: only the step of a row's offsets is fixed beforehand.
    """
    if not needed:
        return weight.new_empty(len(weight) // levels.size, weight.shape[1]), None
    grid = search_grid(weight, importance, levels)
    return grid.scale, grid.offset


def _inverse_factor(moment: Tensor) -> Tensor:
    """Upper Cholesky factor of the inverse, in double precision on the way."""
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(moment.double()))
    return torch.linalg.cholesky(inverse, upper=True).float()


def _better_grid(weight: Tensor, moment: Tensor, z: Tensor, grid: Grid, levels: Levels) -> Grid:
    """Least squares of scales and offsets for fixed integers, where that lowers the error."""
    fitted = _fit(weight, moment, z, grid, levels)
    old = output_error(weight.T, values(z, grid).T, moment)
    new = output_error(weight.T, values(z, fitted).T, moment)
    return fitted if new < old else grid


def _fit(weight: Tensor, moment: Tensor, z: Tensor, grid: Grid, levels: Levels) -> Grid:
    """Row by row: minimize over theta (scales, then offsets) the error of ``Z theta`` under H."""
    groups, rows = len(grid.scale), weight.shape[1]
    bases = [z] if grid.offset is None else [z, torch.ones_like(z)]

    def by_group(product: Tensor, basis: Tensor) -> Tensor:
        return (product * basis).view(groups, -1, rows).sum(1).T  # [out, G]

    columns = []
    for basis in bases:
        for part in range(groups):
            span = slice(part * levels.size, (part + 1) * levels.size)
            product = moment[:, span] @ basis[span]
            columns.append(torch.cat([by_group(product, other) for other in bases], dim=1))
    normal = torch.stack(columns, dim=2)  # [out, P, P]
    goal = torch.cat([by_group(moment @ weight, basis) for basis in bases], dim=1)
    present = torch.cat([grid.scale, *([] if grid.offset is None else [grid.offset])]).T
    ridge = 1e-4 * normal.diagonal(dim1=1, dim2=2).mean(1, keepdim=True) + 1e-12
    normal.diagonal(dim1=1, dim2=2).add_(ridge)
    theta = torch.linalg.solve(normal, goal + ridge * present).T
    found = theta[:groups]
    sane = (found > 0.3 * grid.scale) & (found < 3.0 * grid.scale)
    scale = levels.round_scale(torch.where(sane, found, grid.scale))
    return Grid(scale, None if grid.offset is None else round_offsets(theta[groups:]))


def _descend(weight: Tensor, moment: Tensor, z: Tensor, grid: Grid, levels: Levels) -> Tensor:
    """One pass of coordinate descent over the integers, input by input."""
    z, pull = z.clone(), moment @ (weight - values(z, grid))
    for start in range(0, len(weight), _BLOCK):
        stop = min(start + _BLOCK, len(weight))
        changes = torch.empty_like(z[start:stop])
        near = pull[start:stop].clone()
        for j in range(start, stop):
            scale = grid.scale[j // levels.size]
            wanted = z[j] + near[j - start] / (moment[j, j] * scale)
            new = wanted.round_().clamp_(levels.low, levels.high)
            change = (new - z[j]) * scale
            z[j], changes[j - start] = new, change
            near -= moment[start:stop, j, None] * change
        pull -= moment[:, start:stop] @ changes
    return z
