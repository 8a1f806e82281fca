"""Options of clips."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from restore.errors import UsageError

if TYPE_CHECKING:
    from restore.media.video.encoders import EncodeOptions

AUDIO = ("copy", "aac", "opus", "none")
DEINTERLACE = ("auto", "off", "bwdif")


@dataclass(frozen=True)
class ClipOptions:
    """Options of moving pictures only."""

    codec: str | None = None
    """h264, hevc, vp9, av1, prores, ffv1 and others of FFmpeg; None is the input's."""
    crf: float | None = None
    """The encoder's quality; lower is better. None is visually lossless."""
    pix_fmt: str | None = None
    """FFmpeg's pixel format; None is the input's."""
    fps: Any = None
    """Frames per second of numbered pictures: a number, or text such as "30000/1001"."""
    temporal: bool = False
    """Lower flicker: each frame uses the previous one."""
    resume: bool = False
    """Continue an interrupted run of the same job."""
    audio: str = "copy"
    """"copy", "aac", "opus" (other codecs' sound is encoded), or "none"."""
    deinterlace: str = "auto"
    """"auto" deinterlaces frames that are interlaced, by FFmpeg's bwdif; "bwdif" all that are
    flagged so; "off" none: they are progressive."""
    allow_gaps: bool = False
    """Leave out missing numbers of numbered pictures."""

    def refuse(self, *names: str, what: str) -> None:
        """Raise `UsageError` for an option (of ``names``, or any) that differs from its default and
        has no effect."""
        for name in names or vars(self):
            if getattr(self, name) != getattr(ClipOptions, name):
                raise UsageError(f"{name} is {what}")

    def check(self) -> None:
        """Raise `UsageError` for a value that does not exist."""
        for name, known in (("audio", AUDIO), ("deinterlace", DEINTERLACE)):
            if getattr(self, name) not in known:
                raise UsageError(f"{name} is {getattr(self, name)!r}; use {', '.join(known)}")

    @property
    def encoding(self) -> EncodeOptions:
        """The requested encoding."""
        from restore.media.video.encoders import EncodeOptions  # imports av

        return EncodeOptions(self.codec, self.crf, self.pix_fmt, self.audio)

    def rate(self) -> Fraction:
        """Return ``fps`` as a number. Raises `UsageError`."""
        if self.fps is None:
            raise UsageError(
                "numbered pictures have no times; give fps=25, or another number of frames a second"
            )
        try:
            rate = Fraction(str(self.fps))
        except (ValueError, ZeroDivisionError):
            rate = Fraction(0)
        if not 0 < rate <= 1000:
            raise UsageError(f"fps is {self.fps!r}; use a number such as 25, or 30000/1001")
        return rate.limit_denominator(1001)
