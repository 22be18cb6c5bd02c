"""Weights of other code bases, one file a format: a dict of their keys -> paper, values, our keys."""

from ganvas.pretrained import adcgan, biggan_deep_hub, biggan_hub, biggan_pytorch, cyclegan, icgan, stylegan2, unetgan
from ganvas.pretrained.foreign import Format

FORMATS: dict[str, Format] = {
    "biggan-pytorch": biggan_pytorch.read,
    "biggan-deep-hub": biggan_deep_hub.read,
    "biggan-hub": biggan_hub.read,
    "adcgan": adcgan.read,
    "unetgan": unetgan.read,
    "cyclegan": cyclegan.read,
    "icgan": icgan.read,
    "stylegan2": stylegan2.read,
}
