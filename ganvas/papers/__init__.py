"""Every paper by name: a plain dict, so jump-to-definition works."""

from ganvas.gan import GAN
from ganvas.papers.adcgan import ADCGAN
from ganvas.papers.biggan import BigGAN
from ganvas.papers.csgan import CSGAN
from ganvas.papers.icgan import ICGAN
from ganvas.papers.icgan_stylegan2 import ICStyleGAN2
from ganvas.papers.logan import LOGAN
from ganvas.papers.sagan import SAGAN
from ganvas.papers.stylegan2 import StyleGAN2
from ganvas.papers.unetgan import UNetGAN
from ganvas.papers.wgan import WGAN

PAPERS: dict[str, type[GAN]] = {
    "wgan": WGAN,
    "sagan": SAGAN,
    "biggan": BigGAN,
    "adcgan": ADCGAN,
    "logan": LOGAN,
    "unetgan": UNetGAN,
    "csgan": CSGAN,
    "icgan": ICGAN,
    "stylegan2": StyleGAN2,
    "icgan_stylegan2": ICStyleGAN2,
}
