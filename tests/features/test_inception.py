"""The FID network against torch-fidelity 0.4.0's numbers, for weights and one image made by formula."""

from pathlib import Path

import pytest
import torch

from ganvas.errors import InputError
from ganvas.features import extractor, inception
from ganvas.features.inception import SHA256, ConvNorm, Inception, InceptionNet


def state_by_recipe() -> dict[str, torch.Tensor]:
    """w_i(n) = (n (2 i + 3) + i^2 mod 1009) / 504.5 - 1, scaled so that no layer dies: the same on every machine."""
    state = {}
    with torch.device("meta"):
        layout = InceptionNet().state_dict()
    for number, (key, value) in enumerate(layout.items()):
        if not value.is_floating_point():
            state[key] = torch.tensor(0)
            continue
        wave = (torch.arange(value.numel()) * (2 * number + 3) + number**2) % 1009 / 504.5 - 1
        if key.endswith("running_var"):
            wave = 1 + 0.5 * wave
        elif key.endswith("bn.weight"):
            wave = 1 + 0.3 * wave
        elif key.endswith(("bn.bias", "running_mean", "fc.bias")):
            wave = 0.1 * wave
        else:
            wave = wave * (3 / value[0].numel()) ** 0.5
        state[key] = wave.reshape(value.shape)
    return state


def image_by_recipe() -> torch.Tensor:
    """uint8 [1, 3, 12, 9]"""
    y, x = torch.meshgrid(torch.arange(12), torch.arange(9), indexing="ij")
    return torch.stack([(x * y * 7 + c * 31 + x * 13) % 256 for c in range(3)]).to(torch.uint8)[None]


@pytest.fixture(scope="module")
def state() -> dict[str, torch.Tensor]:
    return state_by_recipe()


def test_outputs_are_those_of_torch_fidelity(state: dict[str, torch.Tensor]) -> None:
    found = Inception(state, "0" * 64)(image_by_recipe())
    assert found.logits is not None
    assert found.features.shape == (1, 2048)
    assert found.logits.shape == (1, 1008)
    features = torch.tensor([0.0, 0.11666281521320343, 0.03209901601076126, 0.0])
    features = torch.cat([features, torch.tensor([0.007553739007562399, 0.10433492064476013, 0.08005976676940918])])
    logits = torch.tensor([0.012303667142987251, 0.049349576234817505, 0.0375714972615242, -0.05760587379336357])
    logits = torch.cat([logits, torch.tensor([0.027056746184825897, -0.025952590629458427, -0.0023185890167951584])])
    torch.testing.assert_close(found.features[0, :-256:256], features, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(found.logits[0, :-126:126], logits, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(found.features.double().mean().item(), 0.054779575184404475, rtol=1e-5, atol=0)
    torch.testing.assert_close(found.features.double().square().mean().item(), 0.00970563726135681, rtol=1e-5, atol=0)


@pytest.mark.parametrize(
    ("dim", "mean", "square"),
    [
        (64, 0.4405871208291501, 0.4476144330392777),
        (192, 0.4197009648682221, 0.39618836327701706),
        (768, 0.024268457411513362, 0.0025667053389792868),
    ],
)
def test_lower_features_are_those_of_torch_fidelity(
    state: dict[str, torch.Tensor], dim: int, mean: float, square: float
) -> None:
    network = Inception(state, "0" * 64, dim=dim)
    found = network(image_by_recipe()).features.double()
    assert found.shape == (1, dim)
    torch.testing.assert_close(found.mean().item(), mean, rtol=1e-5, atol=0)
    torch.testing.assert_close(found.square().mean().item(), square, rtol=1e-5, atol=0)


@pytest.mark.parametrize(("height", "width"), [(147, 147), (8, 9), (3, 4), (6, 5)])
def test_the_pool_is_torchs(height: int, width: int) -> None:
    x = torch.randn(2, 5, height, width, generator=torch.Generator().manual_seed(0))
    for layout in (torch.contiguous_format, torch.channels_last):
        given = x.contiguous(memory_format=layout)
        assert torch.equal(inception.halved(given), torch.nn.functional.max_pool2d(given, 3, stride=2))


def test_images_at_a_time_change_nothing(state: dict[str, torch.Tensor], monkeypatch: pytest.MonkeyPatch) -> None:
    """Resized and passed through the first layers one by one, or all together; ReLU behind the pool or before it."""
    images = torch.cat([image_by_recipe().roll(k, 2) for k in range(3)])
    network = Inception(state, "0" * 64, dim=192)
    found = []
    for piece in (1, 3):
        monkeypatch.setattr(inception, "PIECE", piece)
        found.append(network(images).features)
    torch.testing.assert_close(found[0], found[1], rtol=1e-5, atol=1e-6)
    assert (found[0][0] - found[0][1]).abs().max() > 1e-3
    plain = ConvNorm(3, 4, 3)
    x = torch.randn(2, 3, 9, 9, generator=torch.Generator().manual_seed(0))
    assert torch.equal(plain.eval().halved(x), torch.nn.functional.max_pool2d(plain(x), 3, stride=2))


def test_the_layout_is_the_files() -> None:
    own = InceptionNet().state_dict()
    assert len(own) == 566
    assert own["Mixed_7c.branch3x3dbl_3b.conv.weight"].shape == (384, 384, 3, 1)
    assert own["fc.weight"].shape == (1008, 2048)


def test_a_file_is_loaded_and_other_weights_are_not_called_inception(
    tmp_path: Path, state: dict[str, torch.Tensor]
) -> None:
    torch.save(state, tmp_path / "weights.pth")
    network = extractor("inception-64", weights=tmp_path / "weights.pth")
    assert isinstance(network, Inception)
    assert not network.official
    assert network.name == f"inception64-{network.weights_hash[:8]}"
    grey = image_by_recipe()[:, :1]
    torch.testing.assert_close(network(grey), network(grey.repeat(1, 3, 1, 1)))


def test_only_the_pinned_file_is_official(state: dict[str, torch.Tensor]) -> None:
    assert Inception(state, SHA256).name == "inception"
    assert SHA256.startswith("6726825d")


def test_weights_of_another_layout_are_refused(tmp_path: Path, state: dict[str, torch.Tensor]) -> None:
    wrong = {key: value for key, value in state.items() if not key.startswith("fc.")}
    torch.save(wrong, tmp_path / "wrong.pth")
    with pytest.raises(InputError, match=r"missing \['fc.weight', 'fc.bias'\]"):
        extractor("inception", weights=tmp_path / "wrong.pth")
    (tmp_path / "text.pth").write_text("no weights")
    with pytest.raises(InputError, match="cannot be read as a state dict"):
        extractor("inception", weights=tmp_path / "text.pth")
