"""Stages of Dual-ViT blocks (section 3.2 and 3.3 of arXiv 2207.04976).

Pixels are N x H x W x C, semantic tokens N x T x C.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from restore.networks.judge.config import JudgeConfig
from restore.networks.maxvit.layers import LAYER_NORM_EPS, gelu


class CrossAttention(nn.Module):
    """Multi-head attention of N x Q x C queries to N x K x C keys, both normalised before."""

    def __init__(self, channels: int, head: int):
        super().__init__()
        self.heads = channels // head
        self.norm_queries = nn.LayerNorm(channels, eps=LAYER_NORM_EPS)
        self.norm_keys = nn.LayerNorm(channels, eps=LAYER_NORM_EPS)
        self.query = nn.Linear(channels, channels)
        self.key_value = nn.Linear(channels, 2 * channels)
        self.project = nn.Linear(channels, channels)

    def forward(self, queries: Tensor, keys: Tensor) -> Tensor:
        query = self.query(self.norm_queries(queries)).unflatten(-1, (self.heads, -1))
        pair = self.key_value(self.norm_keys(keys)).unflatten(-1, (2, self.heads, -1))
        key, value = pair.permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(query.transpose(1, 2), key, value)
        return self.project(y.transpose(1, 2).flatten(2))


class TokenFeedForward(nn.Module):
    """Two matrices with GELU between, for tokens."""

    def __init__(self, channels: int, expansion: int):
        super().__init__()
        self.norm = nn.LayerNorm(channels, eps=LAYER_NORM_EPS)
        self.expand = nn.Linear(channels, expansion * channels)
        self.project = nn.Linear(expansion * channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.project(gelu(self.expand(self.norm(x))))


class PixelFeedForward(nn.Module):
    """Two matrices with a depthwise 3 x 3 convolution between, which tells pixels where they are:
    N x H x W x C."""

    def __init__(self, channels: int, expansion: int):
        super().__init__()
        wide = expansion * channels
        self.norm = nn.LayerNorm(channels, eps=LAYER_NORM_EPS)
        self.expand = nn.Linear(channels, wide)
        self.depthwise = nn.Conv2d(wide, wide, 3, padding=1, groups=wide)
        self.project = nn.Linear(wide, channels)

    def forward(self, x: Tensor) -> Tensor:
        y = self.expand(self.norm(x)).permute(0, 3, 1, 2)
        return self.project(gelu(self.depthwise(y).permute(0, 2, 3, 1)))


class DualBlock(nn.Module):
    """The semantic pathway first, then the pixel pathway, which reads its result."""

    def __init__(self, channels: int, head: int, expansion: int):
        super().__init__()
        self.collect = CrossAttention(channels, head)
        self.digest = TokenFeedForward(channels, expansion)
        self.spread = CrossAttention(channels, head)
        self.feed_forward = PixelFeedForward(channels, expansion)

    def forward(self, pixels: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Return both, N x H x W x C and N x T x C."""
        flat = pixels.flatten(1, 2)
        tokens = tokens + self.collect(tokens, torch.cat((flat, tokens), dim=1))
        tokens = tokens + self.digest(tokens)
        pixels = (flat + self.spread(flat, tokens)).view_as(pixels)
        return pixels + self.feed_forward(pixels), tokens


class DualvitStages(nn.Module):
    """Stages of dual blocks; returns the pixel map of every stage."""

    def __init__(self, config: JudgeConfig):
        super().__init__()
        before = (config.stem, *config.channels[:-1])
        self.tokens = nn.Parameter(0.02 * torch.randn(config.tokens, config.stem))
        pairs = list(zip(before, config.channels, strict=True))
        self.reduce = nn.ModuleList(nn.Conv2d(a, b, 3, stride=2, padding=1) for a, b in pairs)
        self.widen = nn.ModuleList(nn.Linear(a, b) for a, b in pairs)
        self.blocks = nn.ModuleList(
            nn.ModuleList(DualBlock(c, config.head, config.expansion) for _ in range(depth))
            for c, depth in zip(config.channels, config.depths, strict=True)
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return N x C x h x w of every stage, the first of them half as large as ``x``."""
        maps: list[Tensor] = []
        tokens = self.tokens.expand(len(x), -1, -1)
        for reduce, widen, blocks in zip(self.reduce, self.widen, self.blocks, strict=True):
            pixels, tokens = reduce(x).permute(0, 2, 3, 1), widen(tokens)
            for block in blocks:  # type: ignore[attr-defined]
                pixels, tokens = block(pixels, tokens)
            x = pixels.permute(0, 3, 1, 2)
            maps.append(x)
        return maps
