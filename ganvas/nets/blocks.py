"""The blocks of any network in the order in which they stand in it: what fine-tuning may leave alone."""

from __future__ import annotations

from torch import nn

from ganvas.errors import InputError


def blocks(net: nn.Module) -> list[nn.Module]:
    """Its children that learn, lists and sequences opened, without the last, which judges."""
    opened = (nn.ModuleList, nn.Sequential)
    found = [b for child in net.children() for b in (child.children() if isinstance(child, opened) else (child,))]
    return [block for block in found if any(True for _ in block.parameters())][:-1]


def first_blocks(net: nn.Module, n: int) -> list[nn.Module]:
    """The first n blocks; of each network of several (`ModuleDict`).  Raises InputError where there are fewer."""
    if isinstance(net, nn.ModuleDict):
        return [block for each in net.values() for block in first_blocks(each, n)]
    found = blocks(net)
    if n > len(found):
        raise InputError(f"--freeze-D {n} given, D has {len(found)} blocks before its last layer")
    return found[:n]
