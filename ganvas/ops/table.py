"""Tables with a row per class, looked up by index or by a mixture of classes."""

from __future__ import annotations

from torch import Tensor, nn

from ganvas.ops.spectral import weight_of


def rows_of(table: nn.Module, y: Tensor) -> Tensor:
    """The table's rows.  y [N] int64: one class each; float [N, K]: mixtures, for interpolation.  -> [N, F]

    Anything but an embedding (a projection of a condition) is called as it is.  A spectrally normalised table is
    divided by its sigma either way.
    """
    return y @ weight_of(table) if isinstance(table, nn.Embedding) and y.is_floating_point() else table(y)
