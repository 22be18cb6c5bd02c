"""IC-GAN's checkpoints on BigGAN: their layout, with weights by recipe, gives the authors' numbers; nothing is run."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

import ganvas
from ganvas.cli import main
from ganvas.errors import InputError
from ganvas.gan import GAN, Given
from ganvas.models import importing
from ganvas.nets.biggan import Discriminator, Generator
from ganvas.pretrained import icgan, safe_pickle

# resolution, ch: parameters of G and D without classes, of G and D with 1,000
COUNTS = {
    (64, 64): (36_655_876, 21_646_018, 37_868_292, 21_108_930),
    (128, 96): (77_160_132, 89_593_634, 79_052_484, 88_788_002),
    (256, 48): (25_861_956, 26_000_786, 27_004_740, 25_597_970),
    (256, 96): (90_014_340, 100_837_154, 92_299_908, 100_031_522),
}
# classes: mean and std of x, x[0, :, 10, 20], D(x) of the authors' networks in evaluation mode
PRINTS = {
    0: ((0.318978, 0.913100), (0.977189, 0.964388, -0.904706), (336.444, 335.096)),
    10: ((-0.194590, 0.792799), (0.690149, 0.794228, -0.998651), (227.114, 208.929)),
}


def normal(seed: int, shape: tuple[int, ...]) -> Tensor:
    return torch.from_numpy(np.random.RandomState(seed).standard_normal(shape).astype(np.float32))


def networks(resolution: int, ch: int, classes: int) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The state dicts of the authors' G and D, by shape."""
    attention = (32,) if resolution == 64 else (64,)
    G = Generator(resolution, ch, 119 if resolution == 256 else 120, classes, attention=attention, dim_h=2048)
    D = Discriminator(resolution, ch, classes, attention=attention, dim_h=2048)
    table = {} if classes else {"shared.weight": torch.empty(1000, 128, device=G.linear.weight.device)}
    return {**G.state_dict(), **table}, D.state_dict()


def by_recipe(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Their fingerprint's weights."""
    filled = {}
    for i, key in enumerate(sorted(state)):
        value = normal(1000 + i, tuple(state[key].shape))
        if key.endswith("stored_mean"):
            value = torch.zeros_like(value)
        elif key.endswith(("stored_var", "sv0")) or key == "output_layer.0.gain":
            value = torch.ones_like(value)
        filled[key] = torch.full_like(value, 0.5) if key.endswith(".gamma") else value
    return filled


def learned(state: dict[str, Tensor]) -> int:
    return sum(v.numel() for k, v in state.items() if not k.endswith(("stored_mean", "stored_var", "u0", "sv0")))


@pytest.fixture(scope="module", params=PRINTS)
def files(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[int, Path]:
    """A folder as theirs: G_ema_best0.pth, D_best0.pth as DDP names it, and settings that nobody opens."""
    classes, folder = request.param, tmp_path_factory.mktemp("icgan")
    G, D = networks(64, 8, classes)
    if not classes:  # the numbers were made with ten classes, whose table is never read
        G["shared.weight"] = torch.empty(10, 128)
    torch.save(by_recipe(G), folder / "G_ema_best0.pth")
    torch.save({f"module.{key}": value for key, value in by_recipe(D).items()}, folder / "D_best0.pth")
    (folder / "state_dict_best0.pth").write_bytes(b"never opened")
    return classes, folder


def test_the_authors_numbers_out_of_their_files(files: tuple[int, Path], tmp_path: Path) -> None:
    classes, folder = files
    assert main(["import", "icgan", str(folder), "--out", str(tmp_path / "model")]) == 0
    gan = ganvas.load(tmp_path / "model", "cpu").double()
    assert gan.config.resolution == 64
    assert gan.config.num_classes == classes
    moments, pixel, scores = PRINTS[classes]
    h = normal(2, (2, 2048)).abs()
    y = torch.tensor([3, 7]) if classes else None
    given = Given(y=y, h=torch.nn.functional.normalize(h, dim=1).double())
    with torch.no_grad():
        x = gan.make(normal(1, (2, 120)).double(), given)
        D = gan.D(x, given.y, given.h)[:, 0]
    assert_close(torch.stack([x.mean(), x.std()]).float(), torch.tensor(moments), rtol=1e-4, atol=1e-5)
    assert_close(x[0, :, 10, 20].float(), torch.tensor(pixel), rtol=1e-4, atol=1e-5)
    assert_close(D.float(), torch.tensor(scores), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("resolution", "ch"), COUNTS)
@pytest.mark.parametrize("classes", [0, 1000])
def test_counts_and_configuration_are_read_off_the_published_shapes(resolution: int, ch: int, classes: int) -> None:
    with torch.device("meta"):
        G, D = networks(resolution, ch, classes)
    wanted = COUNTS[resolution, ch][2:] if classes else COUNTS[resolution, ch][:2]
    assert (learned(G), learned(D)) == wanted
    if classes:
        assert (len(G), len(D)) == {64: (142, 84), 128: (170, 92), 256: (198, 104)}[resolution]
    found = icgan.convert(G, D)
    kept = wanted[0] if classes else wanted[0] - 128_000
    recipe = importing.recipe_of(found, None, {})
    assert recipe.preset.startswith(f"{'cc-' if classes else ''}icgan-{resolution}")
    gan = recipe.on_meta()
    assert gan.parameter_counts() == {"G": kept, "D": wanted[1]}
    assert gan.state_dict().keys() == {f"G.{k}" for k in found.G} | {f"D.{k}" for k in D}
    assert found.values["dim_z"] == (119 if resolution == 256 else 120)
    assert sum("never reads" in note for note in found.notes) == (0 if classes else 1)


def small(classes: int, **values: Any) -> GAN:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        G = Generator(64, 2, 10, classes, attention=(), shared_dim=3, shared_dim_feat=4, dim_h=5, **values)
    return G.state_dict()


def stored(path: Path, h: np.ndarray, **more: Any) -> Path:
    np.save(path, {"instance_features": h, **more}, allow_pickle=True)
    return path


def test_a_generator_alone_with_its_stored_instances_samples_by_seeds(tmp_path: Path) -> None:
    torch.save(small(3), tmp_path / "G_ema_best0.pth")
    h = np.random.RandomState(0).rand(7, 5)
    paths = np.array(["a/1.jpg"] * 7)
    stored(tmp_path / "imagenet_instance_features.npy", h, labels=np.arange(7) % 3, image_path=paths)
    gan = importing.import_model("icgan", [tmp_path], tmp_path / "model")
    assert gan.config.G_only
    assert_close(gan.stored.h.norm(dim=1), torch.ones(7))
    assert gan.stored.y.tolist() == [[i % 3] for i in range(7)]
    again = ganvas.load(tmp_path / "model", "cpu")
    assert torch.equal(again.sample(2, seed=5), gan.sample(2, seed=5))
    assert again.stored.network == {"features": "resnet50", "name": "resnet50"}
    with pytest.raises(InputError, match="cannot be trained"):
        again.phases()


def test_a_generator_alone_takes_features(tmp_path: Path) -> None:
    torch.save(small(0), tmp_path / "G_ema_best0.pth")
    gan = importing.import_model("icgan", [tmp_path / "G_ema_best0.pth"], tmp_path / "model")
    h = torch.nn.functional.normalize(torch.ones(2, 5), dim=1)
    assert gan.sample(2, given=Given(h=h)).shape == (2, 3, 64, 64)
    with pytest.raises(InputError, match="keeps no instances"):
        gan.sample(2)


def test_other_weights_are_refused_in_one_line(tmp_path: Path) -> None:
    G = small(0)
    with pytest.raises(InputError, match=r"no 'shared_feat.weight'"):
        icgan.convert({k: v for k, v in G.items() if not k.startswith("shared_feat")})
    _, D = networks(64, 8, 0)
    with pytest.raises(InputError, match="G and D do not fit: dim_h is 5 in G, 2048 in D"):
        icgan.convert(G, D)
    with pytest.raises(InputError, match="batch norms see"):
        icgan.convert({**G, "linear.weight": G["linear.weight"][:, :1]})
    with pytest.raises(InputError, match="a D of 4 blocks"):
        icgan.convert(G, {k: v for k, v in D.items() if not k.startswith("blocks.4.")})
    torch.save(G, tmp_path / "G_ema_best0.pth")
    for name in ("a.npy", "b.npy"):
        stored(tmp_path / name, np.ones((2, 5)))
    with pytest.raises(InputError, match="both hold instances"):
        icgan.read([tmp_path], {})
    stored(tmp_path / "b.npy", np.ones((2, 4)))
    with pytest.raises(InputError, match="no features of 5 numbers"):
        icgan.read([tmp_path / "G_ema_best0.pth", tmp_path / "b.npy"], {})
    stored(tmp_path / "b.npy", np.ones((2, 5)), labels=[1])
    with pytest.raises(InputError, match="1 labels for 2 instances"):
        icgan.read([tmp_path / "G_ema_best0.pth", tmp_path / "b.npy"], {})


class Attack:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.mark),)


@pytest.mark.parametrize("where", ["value", "array"])
def test_instances_that_are_an_attack_are_refused_and_do_nothing(tmp_path: Path, where: str) -> None:
    mark, path = tmp_path / "ran", tmp_path / "x_instance_features.npy"
    attack: Any = Attack(mark) if where == "value" else np.array([Attack(mark)], dtype=object)
    stored(path, np.ones((2, 5)), labels=attack)
    np.load(path, allow_pickle=True)
    assert mark.is_dir(), "the attack is alive"
    mark.rmdir()
    with pytest.raises(InputError, match="pickled code is never run"):
        icgan.read_instances(path, 5)
    assert not mark.exists()


def test_weights_that_are_an_attack_are_refused_and_do_nothing(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    (tmp_path / "G_ema_best0.pth").write_bytes(pickle.dumps({"linear.weight": Attack(mark)}))
    with pytest.raises(InputError, match=r"pickled code is never run|damaged"):
        importing.import_model("icgan", [tmp_path], tmp_path / "model")
    assert not mark.exists()
    assert not (tmp_path / "model").exists()


def test_arrays_that_are_no_single_object_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.npy"
    np.save(path, np.ones(3))
    with pytest.raises(InputError, match="expected a single object"):
        safe_pickle.read_npy(path)
    path.write_bytes(b"nothing")
    with pytest.raises(InputError, match="no array of NumPy's"):
        safe_pickle.read_npy(path)
    with pytest.raises(InputError, match="is not a file"):
        safe_pickle.read_npy(tmp_path / "absent.npy")
