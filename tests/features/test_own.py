"""The data set's own classifier: it learns, is the same for the same seed, and is kept in a cache."""

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from ganvas.errors import InputError
from ganvas.features import extractor
from ganvas.features.own import Classifier, Settings, fitted, own, rotations

QUICK = Settings(width=8, dim=16, steps=10, batch=32)


def digits() -> tuple[torch.Tensor, torch.Tensor]:
    """uint8 [1797, 1, 8, 8], int64 [1797]"""
    bunch = load_digits()
    return torch.from_numpy((bunch.images * 15.9375).astype(np.uint8))[:, None], torch.from_numpy(bunch.target)


def test_it_learns_the_digits() -> None:
    x, y = digits()
    network = own((x[::2], y[::2]), settings=Settings(width=16, steps=80, batch=64, lr=1e-2))
    logits = network(x[1::2]).logits
    assert logits is not None
    assert (logits.argmax(1) == y[1::2]).float().mean() > 0.92


def test_the_rate_falls_to_zero_over_the_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    rates: list[float] = []

    class Watched(torch.optim.AdamW):
        def step(self, closure: None = None) -> None:
            rates.append(self.param_groups[0]["lr"])
            super().step(closure)

    monkeypatch.setattr(torch.optim, "AdamW", Watched)
    x, y = digits()
    own((x, y), settings=QUICK)
    np.testing.assert_allclose(rates, [3e-3 * (1 + np.cos(np.pi * t / 10)) / 2 for t in range(10)], rtol=1e-6)


def test_the_defaults_are_part_of_every_score() -> None:
    """Scores by `own` are compared by name: who changes how it is trained must raise `version`, and then this."""
    assert asdict(Settings()) == {
        "width": 32, "dim": 128, "batch": 128, "steps": 400, "lr": 3e-3, "weight_decay": 1e-2, "seed": 0, "version": 1,
    }  # fmt: skip


def test_same_seed_same_weights_other_seed_other_weights() -> None:
    x, y = digits()
    torch.manual_seed(1)
    first = own((x, y), settings=QUICK)
    torch.manual_seed(2)
    assert own((x.numpy(), y.numpy()), settings=QUICK).weights_hash == first.weights_hash
    assert own((x, y), settings=Settings(width=8, dim=16, steps=10, batch=32, seed=1)).weights_hash != (
        first.weights_hash
    )


def test_it_is_read_from_the_cache_and_trained_again_when_damaged(tmp_path: Path) -> None:
    x, y = digits()
    first = own((x, y), tmp_path, QUICK)
    files = sorted(path.suffix for path in tmp_path.iterdir())
    assert files == [".json", ".safetensors"]
    again = own((x.flip(0), y.flip(0)), tmp_path, QUICK)  # another order of the same images is the same data set
    torch.testing.assert_close(again(x[:5]), first(x[:5]), rtol=0, atol=0)
    weights = next(tmp_path.glob("*.safetensors"))
    weights.write_bytes(weights.read_bytes()[:-7])
    assert own((x, y), tmp_path, QUICK).weights_hash == first.weights_hash


def test_without_labels_it_learns_rotations_and_gives_no_logits() -> None:
    x, _ = digits()
    network = own((x, None), settings=QUICK)
    assert network.name == "own-rotation"
    assert network(x[:3]).logits is None
    turned, quarters = rotations(x[:50], seed=0)
    back = torch.stack([image.rot90(-int(q), (1, 2)) for image, q in zip(turned, quarters)])
    assert torch.equal(back, x[:50])
    assert set(quarters.tolist()) == {0, 1, 2, 3}


@pytest.mark.parametrize(("channels", "height", "width"), [(1, 8, 8), (3, 32, 32), (3, 64, 64), (1, 28, 20)])
def test_sizes(channels: int, height: int, width: int) -> None:
    features, logits = Classifier(channels, max(height, width), 5, QUICK)(torch.zeros(2, channels, height, width))
    assert features.shape == (2, 16)
    assert logits.shape == (2, 5)


def test_wrong_input_is_one_sentence() -> None:
    x, y = digits()
    for data in ((x.float(), y), (x, y[:5]), (x, y - 1)):
        with pytest.raises(InputError, match="expected"):
            own(data)
    with pytest.raises(InputError, match=r"pass data="):
        extractor("own")
    network = own((x, y), settings=QUICK)
    with pytest.raises(InputError, match="3 channels, expected 1"):
        network(torch.zeros(1, 3, 8, 8, dtype=torch.uint8))
    with pytest.raises(InputError, match="expected uint8"):
        network(torch.zeros(1, 1, 8, 8))


def test_a_small_set_takes_fewer_steps_and_says_how_far_it_is() -> None:
    assert [fitted(Settings(), n).steps for n in (10, 300, 1260, 1797, 60_000)] == [100, 100, 296, 400, 400]
    said: list[tuple[int, int]] = []
    x = torch.randint(0, 256, (12, 1, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    own((x, torch.arange(12) % 2), progress=lambda done, total: said.append((done, total)))
    assert said == [(step, 100) for step in range(1, 101)]
