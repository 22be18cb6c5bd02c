"""ADC-GAN (Hou et al. 2022, arXiv 2107.10060) and its relatives: AC-GAN (Odena et al. 2017, arXiv 1610.09585), TAC-GAN
(Gong et al. 2019, arXiv 1907.02690), PD-GAN (Miyato and Koyama 2018, arXiv 1802.05637), AM-GAN.

Here: the objectives, which differ in one term of each player's loss, and the Config.  Not here: the presets
(presets/adcgan.toml), the networks (nets/adcgan.py names them) and D's heads (nets/heads.py).
"""

from __future__ import annotations

from typing import Any, Literal, Self

import torch
from pydantic import model_validator
from torch import Tensor

from ganvas import losses
from ganvas.config import ANY, only
from ganvas.gan import GAN, Batch, Code, Drawn, Loss, Phase
from ganvas.limited import shown
from ganvas.nets import adcgan as nets
from ganvas.nets import heads

CLASSIFIERS = ("adc", "ac", "tac", "am")


class Config(nets.Config):
    """Defaults are the authors' script for CIFAR-10; those of the networks: nets/adcgan.py."""

    resolution: int = 32
    conditional: bool = True
    images: int = 50_000_000  # 250k generator steps
    batch: int = 50
    G_lr: float = 2e-4
    D_lr: float = 2e-4
    beta1: float = only(0.0, optimizer="adam")
    beta2: float = only(0.999, optimizer="adam")
    ema: float = 0.9999
    ema_start: int = only(1000, ema=ANY)

    objective: Literal["adc", "ac", "tac", "pd", "am"] = "adc"  # which heads D has, and what they learn
    adversarial: Literal["hinge", "logistic", "none"] = "hinge"  # none: the classifier alone (always so in AM-GAN)
    class_loss: Literal["entropy", "hinge", "twin_hinge"] = only("entropy", objective=CLASSIFIERS)  # ADC's, TAC's hinge
    G_lambda: float = only(1.0, objective=CLASSIFIERS)  # weight of the classifier's term; the paper has one for both
    D_lambda: float = only(1.0, objective=CLASSIFIERS)
    ac_on_fakes: bool = only(False, objective="ac")  # D's classifier learns fakes' classes too: Odena et al.
    D_steps: int = 4  # per iteration
    G_every: int = 1  # iterations per generator step

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if min(self.G_every, self.hidden) < 1:
            raise ValueError("G_every and hidden must be at least 1")
        if self.objective == "pd" and self.adversarial == "none":
            raise ValueError("objective=pd has the adversarial loss alone: adversarial=hinge or logistic")
        return self


class ADCGAN(GAN[Config]):
    """Players `G`, called as G(z, G.shared(y)), and `D`, called as D(x, y) -> `heads.Answer`."""

    config_type = Config
    title = "ADC-GAN (Hou et al. 2022, arXiv 2107.10060), AC-GAN, TAC-GAN, PD-GAN"
    headline = "D/real"

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.G = nets.generator(config)
        self.D = nets.discriminator(config, heads.HEADS[config.objective])

    def phases(self) -> list[Phase]:
        """D_steps discriminator steps, then on every G_every-th iteration one generator step."""
        return [
            Phase("D", "D", self.D_loss, repeat=self.config.D_steps, after=self.observe),
            Phase("G", "G", self.G_loss, every=self.config.G_every),
        ]

    def D_loss(self, real: Batch, drawn: Drawn) -> Loss:
        """Adversarial + D_lambda classifier's loss.  Real and fake share a forward: spectral norm iterates once."""
        y: Any = real.given.y
        fake_y: Any = drawn.y
        with torch.no_grad():
            fake = self.G(drawn.z, self.G.shared(fake_y))
        both = self.D(shown(torch.cat([fake, real.x]), drawn.shown), torch.cat([fake_y, y]))
        of_fake, of_real = both.split([len(fake), len(y)])
        term = self.class_D(of_real, y, of_fake, fake_y)
        adversarial = losses.ADVERSARIAL[self.config.adversarial][0](of_real.score, of_fake.score)
        logs = {"D/real": of_real.score.mean(), "D/fake": of_fake.score.mean(), "D/class": term}
        loss = Loss(adversarial + self.config.D_lambda * term, logs)
        return self.limited(loss, of_real.score, of_fake.score, lambda: self.D(shown(real.x, drawn.again), y).score)

    def G_loss(self, real: Batch, drawn: Drawn) -> Loss:
        """Adversarial + G_lambda classifier's loss, of the fakes."""
        answer = self.D(shown(self.G(drawn.z, self.G.shared(drawn.y)), drawn.shown), drawn.y)
        term = self.class_G(answer, drawn.y)
        adversarial = losses.ADVERSARIAL[self.config.adversarial][1](answer.score)
        return Loss(adversarial + self.config.G_lambda * term, {"G/class": term})

    def class_D(self, real: Any, y: Tensor, fake: Any, fake_y: Tensor) -> Tensor:
        """What D's classifier minimises.  real, fake: Answers, with the logits of the objective's heads -> scalar"""
        c, loss = self.config, losses.CLASS_LOSSES[self.config.class_loss][0]
        if c.objective == "adc":
            return losses.adc_D(real.adc, y, fake.adc, fake_y, loss)
        if c.objective == "tac":
            return losses.tac_D(real.ac, y, fake.mi, fake_y, loss)
        if c.objective == "am":
            return losses.am_D(real.am, y, fake.am, loss)
        if c.objective == "pd":  # the class is in the score itself
            return real.score.new_zeros(())
        return loss(real.ac, y) + loss(fake.ac, fake_y) if c.ac_on_fakes else loss(real.ac, y)

    def class_G(self, fake: Any, y: Any) -> Tensor:
        """What G minimises beside the adversarial loss.  fake: an Answer -> scalar"""
        c, loss = self.config, losses.CLASS_LOSSES[self.config.class_loss][1]
        if c.objective == "adc":
            return losses.adc_G(fake.adc, y, loss)
        if c.objective == "tac":
            return losses.tac_G(fake.ac, fake.mi, y, loss)
        if c.objective == "pd":
            return fake.score.new_zeros(())
        return loss(fake.am if c.objective == "am" else fake.ac, y)

    def scores(self, batch: Batch) -> Tensor | None:
        """D(x, y).  -> [N]; None where no score is learned"""
        return None if self.config.adversarial == "none" else self.D(batch.x, batch.given.y).score.flatten()

    def decode(self, code: Code) -> Tensor:
        """G of latents and (mixed) classes.  -> [N, C, H, W] in [-1, 1] (points: [N, D])"""
        return self.G(code.z, code.c @ self.G.shared.weight if self.config.shared_dim else code.c)
