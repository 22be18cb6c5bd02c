"""Every paper by name: a plain dict, so jump-to-definition works."""

from ganvas.gan import GAN
from ganvas.papers.wgan import WGAN

PAPERS: dict[str, type[GAN]] = {"wgan": WGAN}
