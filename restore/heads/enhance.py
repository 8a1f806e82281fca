"""Low light."""

from restore.heads.head import Head

ENHANCE = Head(
    name="enhance",
    summary="Brighten and clean a photograph taken in low light.",
    fast="enhance-small",
    standard="enhance-s1",
    best="enhance-lol",
    others=("enhance-fivek",),
    degradation="enhance",
    finding="darkness",
    changes_light=True,
    # LOL weights on an image of 1500 x 1000: 27.5 dB reduced to 400 pixels, 13.8 and visible bands
    # in tiles of 512.
    reduce_to=400,
    rivals=("gamma", "clahe"),
    metrics=("PSNR-GT-mean",),
)
