"""The networks against BigGAN-PyTorch itself: what it computed from the same numbers is in fixtures/biggan.npz."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from biggan_recipe import (
    BATCH,
    CASES,
    CLASSES,
    D_STEPS,
    EPS,
    ORTHO,
    STEPS,
    batch,
    fill,
    fingerprints,
    gradients,
)
from torch import Tensor, nn
from torch.testing import assert_close

from ganvas.nets import biggan, biggan_deep
from ganvas.ops.orthogonal import add_orthogonal_gradient, regularised


@pytest.fixture(scope="module")
def theirs() -> dict[str, np.ndarray]:
    with np.load(Path(__file__).parent / "fixtures" / "biggan.npz", allow_pickle=False) as file:
        return dict(file)


def networks(name: str, fused: bool) -> tuple[nn.Module, nn.Module]:
    module = biggan_deep if name.startswith("deep") else biggan
    D_kwargs = dict(CASES[name]["D"], num_classes=CLASSES, sn_eps=EPS["G"]["sn_eps"])
    if module is biggan:
        D_kwargs["fused"] = fused
    G = module.Generator(**CASES[name]["G"], num_classes=CLASSES, fused=fused, init="none", **EPS["G"]).double()
    D = module.Discriminator(**D_kwargs, init="none").double()
    fill(G, "G")
    fill(D, "D")
    return G, D


def hinge(D: nn.Module, fake: Tensor, fake_y: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """D's loss on [fake, real] in one forward, as the authors feed it."""
    fake_score, real_score = D(torch.cat([fake, x]), torch.cat([fake_y, y])).split([len(fake), len(x)])
    return (1 - real_score).relu().mean() + (1 + fake_score).relu().mean()


def agrees(ours, theirs: np.ndarray, tolerance: float = 1e-9) -> None:
    ours = torch.as_tensor(ours).detach()
    assert_close(ours, torch.from_numpy(theirs).to(ours.dtype), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("name", CASES)
def test_forward_losses_gradients_and_buffers(name, fused, theirs):
    G, D = networks(name, fused)
    x, y, z, fake_y = batch(name, 3, CASES[name]["G"]["resolution"], G.dim_z, CLASSES)

    agrees(G(z, G.shared(fake_y))[:, :, ::4, ::4], theirs[f"{name}.G_train"], 1e-6)
    agrees(G.eval()(z, G.shared(fake_y))[:, :, ::4, ::4], theirs[f"{name}.G_eval"], 1e-6)
    agrees(D(x, y), theirs[f"{name}.D_train"])
    agrees(D.eval()(x, y), theirs[f"{name}.D_eval"])
    G.train(), D.train()

    with torch.no_grad():
        fake = G(z, G.shared(fake_y))
    loss = hinge(D, fake, fake_y, x, y)
    loss.backward()
    agrees(loss, theirs[f"{name}.D_loss"])
    agrees(fingerprints(gradients(D)), theirs[f"{name}.D_grad"])

    D.requires_grad_(False)
    loss = -D(G(z, G.shared(fake_y)), fake_y).mean()
    loss.backward()
    agrees(loss, theirs[f"{name}.G_loss"])
    agrees(fingerprints(gradients(G)), theirs[f"{name}.G_grad"])
    add_orthogonal_gradient(regularised(G), ORTHO, form="code")
    agrees(fingerprints(gradients(G)), theirs[f"{name}.G_grad_ortho"])
    agrees(np.concatenate([fingerprints(G.state_dict()), fingerprints(D.state_dict())]), theirs[f"{name}.state"])


@pytest.mark.parametrize("fused", [False, True])
def test_ten_steps_of_the_cifar_schedule(fused, theirs):
    G, D = networks("sngan32", fused)
    G_optimiser, D_optimiser = (torch.optim.Adam(net.parameters(), 2e-4, (0.0, 0.999)) for net in (G, D))
    losses = []
    for step in range(STEPS):
        for d_step in range(D_STEPS):
            x, y, z, fake_y = batch(f"{step}.{d_step}", BATCH, 32, G.dim_z, CLASSES)
            with torch.no_grad():
                fake = G(z, G.shared(fake_y))
            D_optimiser.zero_grad()
            D_loss = hinge(D, fake, fake_y, x, y)
            D_loss.backward()
            D_optimiser.step()
        _, _, z, fake_y = batch(f"{step}.G", BATCH, 32, G.dim_z, CLASSES)
        G_optimiser.zero_grad()
        G_loss = -D(G(z, G.shared(fake_y)), fake_y).mean()
        G_loss.backward()
        G_optimiser.step()
        losses.append([D_loss.item(), G_loss.item()])
    agrees(np.array(losses), theirs["ten.losses"], 1e-6)
    agrees(np.concatenate([fingerprints(G.state_dict()), fingerprints(D.state_dict())]), theirs["ten.state"], 1e-6)
