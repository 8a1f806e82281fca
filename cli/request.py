"""The arguments of one command, sorted by the job that has a use for them."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from restore.cli.console import Reporter
from restore.errors import ImageError, UsageError
from restore.jobs.routing import PIPE
from restore.media.video.detect import is_pattern

if TYPE_CHECKING:
    from restore.jobs.clip_options import ClipOptions
    from restore.media.io_options import IoOptions


@dataclass(frozen=True)
class Request:
    """``given``: every other option by its Python name."""

    head: str
    sources: list[Path]
    target: Path
    overwrite: bool
    reporter: Reporter
    report: Path | None
    given: dict[str, Any]
    devices: int = 1

    @property
    def pictures(self) -> "IoOptions":
        """Options of pictures. Raises `UsageError`."""
        from restore.media.io_options import IoOptions

        return IoOptions(**self._of(IoOptions))

    @property
    def clips(self) -> "ClipOptions":
        """Options of clips."""
        from restore.jobs.clip_options import ClipOptions

        return ClipOptions(**self._of(ClipOptions))

    @property
    def folders(self) -> dict[str, Any]:
        """Options of folders."""
        from restore.jobs.folder_options import FolderOptions

        return self._of(FolderOptions)

    @property
    def restorer(self) -> dict[str, Any]:
        """Options of the `Restorer`."""
        others = {*vars(self.pictures), *vars(self.clips), *self.folders}
        return {name: value for name, value in self.given.items() if name not in others}

    def refuse_report_of_remote(self) -> None:
        """Raise `UsageError` for a report, which shows local files."""
        if self.report is not None:
            raise UsageError("--report is for local folders")

    def refuse_folder_options(self, but: str = "") -> None:
        """Raise `UsageError` for an option that one file has no use for, and `ImageError` where the
        input that was meant to be a folder does not exist."""
        from restore.jobs.folder_options import FolderOptions

        (source,) = self.sources
        if self.report is not None:
            raise UsageError("--report is for folders; IN is one file")
        if self.devices > 1:
            raise UsageError("--devices is for folders; IN is one file")
        for name, value in self.folders.items():
            if name != but and value != getattr(FolderOptions, name):
                if source != PIPE and not source.exists() and not is_pattern(source):
                    raise ImageError(f"{source}: no such file or folder")
                raise UsageError(f"--{name.replace('_', '-')} is for folders; IN is one file")

    def _of(self, kind: Any) -> dict[str, Any]:
        return {one.name: self.given[one.name] for one in fields(kind)}
