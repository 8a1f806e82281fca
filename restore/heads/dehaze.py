"""Haze and fog."""

from restore.heads.head import Head

DEHAZE = Head(
    name="dehaze",
    summary="Clear haze and fog.",
    fast="dehaze-small",
    standard="dehaze-s1",
    best="dehaze-sots-outdoor",
    others=("dehaze-sots-indoor",),
    degradation="dehaze",
    finding="haze",
    changes_light=True,
    # SOTS outdoor weights on an image of O-HAZE: 22.0 dB reduced to 400 pixels, 21.1 in tiles of
    # 512, which are judged one by one.
    reduce_to=400,
    rivals=("dark-channel", "clahe"),
)
