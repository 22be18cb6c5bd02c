"""CycleGAN's checkpoints, remade as its files are laid out: the same numbers come out of our players."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from ganvas.errors import InputError
from ganvas.gan import Batch
from ganvas.models import folder as model_folder
from ganvas.models.importing import import_model
from ganvas.nets.cyclegan import Discriminator, Generator
from ganvas.pretrained.cyclegan import convert, discriminator, generator

Weights = dict[str, Tensor]


def norm(width: int, statistics: bool) -> nn.Module:
    return nn.InstanceNorm2d(width, track_running_stats=statistics).train()


class TheirBlock(nn.Module):
    def __init__(self, width: int, dropout: bool, statistics: bool) -> None:
        super().__init__()
        layers = [nn.ReflectionPad2d(1), nn.Conv2d(width, width, 3), norm(width, statistics), nn.ReLU()]
        layers += [nn.Dropout(0.5)] * dropout
        layers += [nn.ReflectionPad2d(1), nn.Conv2d(width, width, 3), norm(width, statistics)]
        self.conv_block = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv_block(x)


class Theirs(nn.Module):
    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.model = nn.Sequential(*layers)


def their_generator(ins=3, outs=3, w=4, blocks=2, dropout=False, statistics=False) -> Theirs:
    layers = [nn.ReflectionPad2d(3), nn.Conv2d(ins, w, 7), norm(w, statistics), nn.ReLU()]
    for k in (w, 2 * w):
        layers += [nn.Conv2d(k, 2 * k, 3, 2, 1), norm(2 * k, statistics), nn.ReLU()]
    layers += [TheirBlock(4 * w, dropout, statistics) for _ in range(blocks)]
    for k in (4 * w, 2 * w):
        layers += [nn.ConvTranspose2d(k, k // 2, 3, 2, 1, 1), norm(k // 2, statistics), nn.ReLU()]
    return Theirs(*layers, nn.ReflectionPad2d(3), nn.Conv2d(w, outs, 7), nn.Tanh())


def their_discriminator(ins=3, w=4, n_layers=3, statistics=False) -> Theirs:
    layers = [nn.Conv2d(ins, w, 4, 2, 1), nn.LeakyReLU(0.2)]
    k = w
    for n in range(1, n_layers + 1):
        wide = w * min(2**n, 8)
        stride = 2 if n < n_layers else 1
        layers += [nn.Conv2d(k, wide, 4, stride, 1), norm(wide, statistics), nn.LeakyReLU(0.2)]
        k = wide
    return Theirs(*layers, nn.Conv2d(k, 1, 4, 1, 1))


@pytest.mark.parametrize("statistics", [False, True])
@pytest.mark.parametrize(("blocks", "dropout"), [(1, False), (2, True), (9, False)])
def test_a_generator_gives_the_same_images(blocks: int, dropout: bool, statistics: bool) -> None:
    torch.manual_seed(0)
    theirs = their_generator(1, 3, 4, blocks, dropout, statistics)
    weights, values = generator(theirs.state_dict())
    assert values == {"channels_in": 1, "channels_out": 3, "width": 4, "num_blocks": blocks, "dropout": dropout}
    G = Generator(**values)
    G.load_state_dict(weights)
    for layer in theirs.modules():
        if isinstance(layer, nn.Dropout):
            layer.eval()
    x = torch.randn(2, 1, 16, 20)
    assert_close(G(x), theirs.model(x))


@pytest.mark.parametrize("n_layers", [1, 3, 4])
@pytest.mark.parametrize("statistics", [False, True])
def test_a_discriminator_gives_the_same_scores(n_layers: int, statistics: bool) -> None:
    torch.manual_seed(1)
    theirs = their_discriminator(2, 4, n_layers, statistics)
    weights, values = discriminator(theirs.state_dict())
    assert values == {"channels": 2, "width": 4, "num_layers": n_layers}
    D = Discriminator(**values)
    D.load_state_dict(weights)
    x = torch.randn(2, 2, 64, 56)
    assert_close(D(x), theirs.model(x))


def run() -> dict[str, Weights]:
    """G_A: A, grey, to B; D_A judges B."""
    torch.manual_seed(2)
    nets = {
        "G_A": their_generator(1, 3, statistics=True),
        "G_B": their_generator(3, 1),
        "D_A": their_discriminator(3, w=2),
        "D_B": their_discriminator(1, w=2),
    }
    return {name: net.state_dict() for name, net in nets.items()}


def test_the_four_files_of_a_run() -> None:
    imported = convert(**run())
    assert imported.paper == "csgan"
    assert imported.values == {
        "channels_A": 1, "channels": 3, "G_width": 4, "num_blocks": 2, "dropout": False, "D_width": 2,
        "num_layers": 3,
    }  # fmt: skip
    assert imported.notes == ["running statistics of the instance norms were left out; every image has its own"]
    nn.ModuleDict({"AB": Generator(1, 3, 4, 2), "BA": Generator(3, 1, 4, 2)}).load_state_dict(imported.G)
    assert imported.D is not None
    nn.ModuleDict({"A": Discriminator(1, 2), "B": Discriminator(3, 2)}).load_state_dict(imported.D)
    given = run()
    assert torch.equal(imported.G["AB.first.weight"], given["G_A"]["model.1.weight"])
    assert torch.equal(imported.D["B.convs.0.weight"], given["D_A"]["model.0.weight"])


def test_generators_alone() -> None:
    given = run()
    imported = convert(given["G_B"], given["G_A"])
    assert (imported.D, imported.values["channels_A"], "D_width" in imported.values) == (None, 3, False)
    clean = {key: value for key, value in given["G_A"].items() if "running" not in key and "num_" not in key}
    assert convert(given["G_B"], clean).notes == []


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"G_B": their_generator(3, 3)}, "G_A and G_B do not fit"),
        ({"G_B": their_generator(3, 1, blocks=1)}, "G_A and G_B do not fit"),
        ({"D_A": their_discriminator(1, w=2)}, "D_A and G_A do not fit"),
        ({"D_B": their_discriminator(3, w=2)}, "D_B and G_A do not fit"),
        ({"D_A": their_discriminator(3, w=4)}, "D_A and D_B do not fit"),
        ({"D_A": None}, "of D_A and D_B only D_B is given"),
    ],
)
def test_files_of_unlike_runs(change: dict[str, Theirs | None], says: str) -> None:
    given: dict = run() | {name: net and net.state_dict() for name, net in change.items()}
    with pytest.raises(InputError, match=says):
        convert(**given)


def test_other_forms_are_named() -> None:
    state = their_generator().state_dict()
    with pytest.raises(InputError, match=r"unknown 'model\.2\.weight'"):  # batch norm
        generator(state | {"model.2.weight": torch.ones(4)})
    with pytest.raises(InputError, match=r"no 'model\.1\.weight'"):  # the U-Net
        generator({"model.model.0.weight": torch.ones(1)})
    with pytest.raises(InputError, match=r"no 'model\.10\.conv_block\.1\.weight'"):  # zero padding
        generator({key.replace("conv_block.1", "conv_block.0"): value for key, value in state.items()})
    with pytest.raises(InputError, match=r"no 'model\.1\.weight'"):
        generator(their_discriminator().state_dict())
    with pytest.raises(InputError, match=r"no 'model\.0\.weight'"):
        discriminator(state)


def saved(folder: Path, epoch: str = "latest", **nets: Theirs) -> Path:
    """The files of a run, as its training writes them."""
    folder.mkdir(exist_ok=True)
    for name, net in nets.items():
        torch.save(net.state_dict(), folder / f"{epoch}_net_{name}.pth")
    return folder


def test_files_become_a_model_folder_that_translates(tmp_path: Path) -> None:
    torch.manual_seed(0)
    nets = {"G_A": their_generator(3, 1), "G_B": their_generator(1, 3)}
    nets |= {"D_A": their_discriminator(1), "D_B": their_discriminator(3)}
    folder = saved(saved(tmp_path / "theirs", "5", **nets), **nets)
    gan = import_model("cyclegan", [folder], tmp_path / "ours", overrides={"resolution": 64, "load_size": 0})
    assert gan.config.shape == (1, 64, 64)
    assert (gan.config.cs, gan.config.channels_A, gan.config.num_blocks) == (0.0, 3, 2)
    x = torch.rand(2, 3, 32, 32) * 2 - 1
    loaded = model_folder.load(tmp_path / "ours", torch.device("cpu"))
    with torch.no_grad():
        assert_close(loaded.translate(x), nets["G_A"].model(x), rtol=1e-4, atol=1e-5)
        assert_close(loaded.translate(x[:, :1], "a"), nets["G_B"].model(x[:, :1]), rtol=1e-4, atol=1e-5)
        assert_close(loaded.scores(Batch(x[:, :1])), nets["D_A"].model(x[:, :1]).mean((1, 2, 3)), rtol=1e-4, atol=1e-5)


def test_generators_alone_become_a_model_without_D(tmp_path: Path) -> None:
    nets = {"G_A": their_generator(), "G_B": their_generator()}
    gan = import_model("cyclegan", [saved(tmp_path / "theirs", **nets)], tmp_path / "ours")
    assert gan.D is None
    assert list(gan.parameter_counts()) == ["G"]
    assert model_folder.load(tmp_path / "ours", torch.device("cpu")).translate(torch.zeros(3, 16, 16)).shape == (
        3,
        16,
        16,
    )


def test_which_files_are_refused(tmp_path: Path) -> None:
    net = their_generator()
    lone = saved(tmp_path / "lone", G_A=net)
    with pytest.raises(InputError, match="no G_B among"):
        import_model("cyclegan", [lone], tmp_path / "out")
    two = saved(saved(tmp_path / "two", "5", G_A=net), "10", G_B=net)
    with pytest.raises(InputError, match="files of the epochs 10, 5 are given"):
        import_model("cyclegan", [two], tmp_path / "out")
    (tmp_path / "odd.pth").write_bytes(b"")
    with pytest.raises(InputError, match=r"odd.pth has an unknown name, expected those of one run: latest_net_G_A.pth"):
        import_model("cyclegan", [tmp_path / "odd.pth"], tmp_path / "out")
