"""Small convolutional autoencoders, one for each way in which generators enlarge what they draw.

Whatever a generator imagines, the last thing that touches its picture is a stack of upsampling
steps, and each kind leaves its own traces in neighbouring pixels (Odena et al. 2016; Tan et al.
2024, NPR). Training on reconstructions that differ from a photo by those traces alone carries over
to generators never seen (Guillaro et al. 2025, B-Free; arXiv 2601.20461).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Upsampling = Literal["transposed", "nearest", "shuffle"]
UPSAMPLINGS: tuple[Upsampling, ...] = get_args(Upsampling)
_WIDTH = 32


class Autoencoder(nn.Module):
    """Shrinks a picture by a factor and draws it again.

    Args:
        upsampling: ``transposed`` convolution (DCGAN), ``nearest`` neighbour and convolution
            (StyleGAN, latent diffusion), or pixel ``shuffle`` (super-resolution networks).
        stages: Halvings; the picture is shrunk by 2 to this power.
        latent: Channels of the latent.
    """

    def __init__(self, upsampling: Upsampling, stages: int, latent: int) -> None:
        super().__init__()
        self.factor = 2**stages
        down: list[nn.Module] = [nn.Conv2d(3, _WIDTH, 3, padding=1)]
        up: list[nn.Module] = [nn.Conv2d(latent, _WIDTH, 3, padding=1), _Block()]
        for stage in range(stages):
            down += [nn.Conv2d(_WIDTH, _WIDTH, 3, stride=2, padding=1), _Block()]
            up += [_enlarge(upsampling)]
            # At full size a block would cost more than all the rest.
            up += [_Block() if stage < stages - 1 else nn.SiLU()]
        self.encoder = nn.Sequential(*down, nn.Conv2d(_WIDTH, latent, 3, padding=1))
        self.decoder = nn.Sequential(*up, nn.Conv2d(_WIDTH, 3, 3, padding=1))

    def forward(self, views: Tensor) -> Tensor:
        """Reconstruct views, float32 (n, 3, h, w) in [-1, 1]; h and w multiples of ``factor``."""
        # A bounded latent, as quantised and KL-regularised ones are.
        latent = torch.tanh(self.encoder(views) / 3) * 3
        return self.decoder(latent).clamp(-1.2, 1.2)


class _Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(_WIDTH, _WIDTH, 3, padding=1)
        self.second = nn.Conv2d(_WIDTH, _WIDTH, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(F.silu(self.first(F.silu(x))))


def _enlarge(upsampling: Upsampling) -> nn.Module:
    if upsampling == "transposed":
        return nn.ConvTranspose2d(_WIDTH, _WIDTH, 4, stride=2, padding=1)
    if upsampling == "nearest":
        return nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(_WIDTH, _WIDTH, 3, padding=1))
    return nn.Sequential(nn.Conv2d(_WIDTH, 4 * _WIDTH, 3, padding=1), nn.PixelShuffle(2))


def fit(
    model: Autoencoder, batches: Iterator[Tensor], steps: int, learning_rate: float = 2e-3
) -> float:
    """Train an autoencoder, in place.

    The loss is L1 on pixels and on differences of neighbouring pixels, which keeps texture that
    L1 alone would blur away: a blurred reconstruction teaches a detector to find blur.

    Args:
        model: The autoencoder.
        batches: Views, float32 (n, 3, size, size) in [-1, 1].
        steps: Batches to train on.
        learning_rate: Highest of a one-cycle schedule.

    Returns:
        The peak signal-to-noise ratio over the last tenth of the batches, in dB.
    """
    model.train().to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(model.parameters(), learning_rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, learning_rate, steps, pct_start=0.1)
    errors = []
    for step in range(steps):
        views = next(batches).contiguous(memory_format=torch.channels_last)
        drawn = model(views)
        loss = F.l1_loss(drawn, views)
        for axis in (2, 3):
            loss = loss + F.l1_loss(drawn.diff(dim=axis), views.diff(dim=axis))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step >= 0.9 * steps:
            errors.append(F.mse_loss(drawn.detach(), views).item())
    # Values span 2.
    return 10 * float(torch.log10(4 / torch.tensor(errors).mean()))
