"""DCGAN players: the 4x4 family of WGAN, and the 5x5 family of WGAN-GP's CIFAR and MNIST scripts."""

from __future__ import annotations

from torch import Tensor, nn

from ganvas.errors import InputError
from ganvas.nets.tflib import DownConv5, UpConv5, init_linear


def _check_power(resolution: int) -> None:
    if resolution < 8 or resolution & (resolution - 1):
        raise InputError(
            f"resolution {resolution} does not fit the DCGAN; it takes a power of two from 8 on, as 32 or 64"
        )


class G4(nn.Module):
    """z -> 4x4 -> doubled until the resolution is reached; batch norm, ReLU, tanh (WGAN's DCGAN_G).

    The first width is width * resolution / 8 and halves at every doubling.  No convolution has a bias.
    """

    def __init__(
        self,
        resolution: int,
        channels: int,
        dim_z: int = 100,
        width: int = 64,
        extra_layers: int = 0,
        batch_norm: bool = True,
    ) -> None:
        super().__init__()
        _check_power(resolution)

        def block(conv: nn.Module, num_out: int) -> list[nn.Module]:
            return [conv, nn.BatchNorm2d(num_out), nn.ReLU()] if batch_norm else [conv, nn.ReLU()]

        num = width * resolution // 8
        layers = block(nn.ConvTranspose2d(dim_z, num, 4, 1, 0, bias=False), num)
        while num > width:
            layers += block(nn.ConvTranspose2d(num, num // 2, 4, 2, 1, bias=False), num // 2)
            num //= 2
        for _ in range(extra_layers):
            layers += block(nn.Conv2d(num, num, 3, 1, 1, bias=False), num)
        layers += [nn.ConvTranspose2d(num, channels, 4, 2, 1, bias=False), nn.Tanh()]
        self.layers = nn.Sequential(*layers)
        self.apply(_init_normal)

    def forward(self, z: Tensor) -> Tensor:
        """z [N, Z] -> [N, C, H, W] in [-1, 1]"""
        return self.layers(z[:, :, None, None])


class D4(nn.Module):
    """Halved until 4x4, then one number (WGAN's DCGAN_D); batch norm but in the first block, LeakyReLU 0.2.

    With batch norm, real and fake images must come in separate calls.  A gradient penalty wants `norm="none"`.
    """

    def __init__(
        self, resolution: int, channels: int, width: int = 64, extra_layers: int = 0, batch_norm: bool = True
    ) -> None:
        super().__init__()
        _check_power(resolution)

        def block(conv: nn.Module, num_out: int) -> list[nn.Module]:
            norm = [nn.BatchNorm2d(num_out)] if batch_norm else []
            return [conv, *norm, nn.LeakyReLU(0.2)]

        layers: list[nn.Module] = [nn.Conv2d(channels, width, 4, 2, 1, bias=False), nn.LeakyReLU(0.2)]
        num, side = width, resolution // 2
        for _ in range(extra_layers):
            layers += block(nn.Conv2d(num, num, 3, 1, 1, bias=False), num)
        while side > 4:
            layers += block(nn.Conv2d(num, num * 2, 4, 2, 1, bias=False), num * 2)
            num, side = num * 2, side // 2
        layers += [nn.Conv2d(num, 1, 4, 1, 0, bias=False)]
        self.layers = nn.Sequential(*layers)
        self.apply(_init_normal)

    def forward(self, x: Tensor) -> Tensor:
        """x [N, C, H, W] -> scores [N]"""
        return self.layers(x).flatten()


def _init_normal(layer: nn.Module) -> None:
    """Convolutions N(0, 0.02); batch norm gain N(1, 0.02), bias 0."""
    if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(layer.weight, 0.0, 0.02)
    elif isinstance(layer, nn.BatchNorm2d):
        nn.init.normal_(layer.weight, 1.0, 0.02)
        nn.init.zeros_(layer.bias)


class G5(nn.Module):
    """Linear to 4x4, then three 5x5 transposed convolutions (WGAN-GP's CIFAR and MNIST scripts).

    The output is tanh at 32 pixels; at 28 the first doubling is cropped from 8x8 to 7x7, and the output is a sigmoid.
    """

    def __init__(
        self, resolution: int, channels: int, dim_z: int = 128, width: int = 128, batch_norm: bool = True
    ) -> None:
        super().__init__()
        if resolution not in (28, 32):
            raise InputError(
                f"resolution {resolution} does not fit this DCGAN, it takes 28 or 32; pass --resolution 32"
            )
        self.crop = resolution == 28
        self.linear = nn.Linear(dim_z, 4 * 4 * 4 * width)
        init_linear(self.linear)
        self.ups = nn.ModuleList([UpConv5(4 * width, 2 * width), UpConv5(2 * width, width), UpConv5(width, channels)])
        self.norm = nn.BatchNorm1d(16 * 4 * width) if batch_norm else nn.Identity()
        self.norms = nn.ModuleList(nn.BatchNorm2d(n) if batch_norm else nn.Identity() for n in (2 * width, width))
        self.output = nn.Sigmoid() if self.crop else nn.Tanh()

    def forward(self, z: Tensor) -> Tensor:
        """z [N, Z] -> [N, C, H, W] in [-1, 1], or in [0, 1] at 28 pixels"""
        h = self.norm(self.linear(z)).relu().unflatten(1, (-1, 4, 4))
        h = self.norms[0](self.ups[0](h)).relu()
        if self.crop:
            h = h[..., :7, :7]
        h = self.norms[1](self.ups[1](h)).relu()
        return self.output(self.ups[2](h))


class D5(nn.Module):
    """Three 5x5 convolutions with stride 2, LeakyReLU 0.2, linear (WGAN-GP's CIFAR and MNIST scripts).

    Batch norm on the second and third only where the weights are clipped; none under a gradient penalty.
    """

    def __init__(self, resolution: int, channels: int, width: int = 128, batch_norm: bool = False) -> None:
        super().__init__()
        if resolution not in (28, 32):
            raise InputError(
                f"resolution {resolution} does not fit this DCGAN, it takes 28 or 32; pass --resolution 32"
            )
        self.downs = nn.ModuleList(
            [DownConv5(channels, width), DownConv5(width, 2 * width), DownConv5(2 * width, 4 * width)]
        )
        norms = [nn.Identity(), *(nn.BatchNorm2d(n) if batch_norm else nn.Identity() for n in (2 * width, 4 * width))]
        self.norms = nn.ModuleList(norms)
        self.linear = nn.Linear(4 * 4 * 4 * width, 1)
        init_linear(self.linear)

    def forward(self, x: Tensor) -> Tensor:
        """x [N, C, H, W] -> scores [N]"""
        for down, norm in zip(self.downs, self.norms):
            x = nn.functional.leaky_relu(norm(down(x)), 0.2)
        return self.linear(x.flatten(1)).flatten()
