"""Camera shake and motion blur."""

from restore.heads.head import Head

DEBLUR = Head(
    name="deblur",
    summary="Sharpen images blurred by camera shake or motion.",
    fast="deblur-small",
    standard="deblur-s1",
    best="deblur-gopro",
    others=("deblur-reds", "deblur-realblur-j", "deblur-realblur-r"),
    degradation="deblur",
    finding="blur",
    rivals=("unsharp",),
)
