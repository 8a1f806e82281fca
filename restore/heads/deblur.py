"""Camera shake and motion blur."""

from restore.heads.head import Head

DEBLUR = Head(
    name="deblur",
    summary="Sharpen what camera shake or motion has blurred.",
    fast="deblur-small",
    standard="deblur-s1",
    best="deblur-gopro",
    others=("deblur-reds", "deblur-realblur-j", "deblur-realblur-r"),
    degradation="deblur",
    finding="blur",
    rivals=("unsharp",),
)
