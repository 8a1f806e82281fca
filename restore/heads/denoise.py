"""Noise and grain."""

from restore.heads.head import Head

DENOISE = Head(
    name="denoise",
    summary="Take noise and grain out of a photograph.",
    fast="denoise-small",
    standard="denoise-s1",
    best="denoise-sidd",
    degradation="denoise",
    finding="noise",
    rivals=("nlm", "median"),
)
