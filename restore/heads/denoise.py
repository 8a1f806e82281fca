"""Noise and grain."""

from restore.heads.head import Head

DENOISE = Head(
    name="denoise",
    summary="Remove noise and grain from a photograph.",
    fast="denoise-small",
    standard="denoise-s1",
    best="denoise-sidd",
    degradation="denoise",
    finding="noise",
    rivals=("nlm", "median"),
)
