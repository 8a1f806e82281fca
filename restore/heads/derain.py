"""Rain streaks and drops."""

from restore.heads.head import Head

DERAIN = Head(
    name="derain",
    summary="Remove rain streaks and drops.",
    fast="derain-small",
    standard="derain-s1",
    best="derain-rain13k",
    others=("derain-raindrop",),
    degradation="derain",
    finding="rain",
    rivals=("median",),
    metrics=("PSNR-Y", "SSIM-Y"),
)
