"""Folder runs whose inputs or outputs are in an object store.

Batches are downloaded, restored as local folders are, and uploaded. While a batch is restored, the
next one is downloaded.
"""

from __future__ import annotations

import os
import posixpath
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from restore.errors import ImageError, RestoreError, UsageError
from restore.files import is_full_disk
from restore.jobs.executors import LOCAL
from restore.jobs.folder_plan import Naming
from restore.jobs.folder_sums import FolderSums
from restore.jobs.object_manifest import ObjectManifest
from restore.jobs.object_store import (
    Store,
    StoredObject,
    as_path,
    as_url,
    is_remote,
    store_of,
)
from restore.jobs.outcome import DISK_FULL, DONE, FAILED, PLANNED, SKIPPED, STOPPED, Outcome
from restore.jobs.shard import Shard
from restore.media.formats import SUFFIXES
from restore.media.video.detect import is_clip
from restore.pipe import piped
from restore.redaction import redacted

if TYPE_CHECKING:
    from restore.jobs.folder_options import FolderOptions

_FILES, _BYTES = 16, 256 << 20
"""Most of a batch; a larger file is a batch of its own."""
_DOWNLOADS = 8
"""Objects of a batch that are downloaded at a time."""
_NO_PICTURE = "not a picture or a clip by its name"
Restore = Callable[[Path, Path, Callable[[Outcome], object]], object]


@dataclass(frozen=True)
class _Item:
    """``output``: its place below the target. ``failure``: why it could not be downloaded."""

    object: StoredObject
    store: Store
    output: str
    failure: str = ""


@dataclass(frozen=True)
class RemoteRun:
    """A folder run over ``sources`` into ``target``, with at least one remote URL.

    ``restore``: restores a local folder into another, calling back with each outcome. ``key``:
    everything besides the input that decides the result.
    """

    sources: Sequence[str | os.PathLike[str]]
    target: str | os.PathLike[str]
    how: FolderOptions
    shard: Shard
    overwrite: bool
    key: dict[str, Any]
    restore: Restore
    on_outcome: Callable[[Outcome], object]
    progress: Callable[[int, int], object]
    should_stop: Callable[[], bool]
    sums: FolderSums

    def run(self) -> Outcome:
        """Raise `RestoreError` before any work if a store cannot be reached."""
        try:
            self._run()
        except RestoreError:
            raise
        except Exception as error:  # stores' clients have no class in common
            raise RestoreError(f"{redacted(as_url(self.target))}: {_reason(error)}") from error
        status = PLANNED if self.how.dry_run else self.sums.status
        ends = as_path(self.sources[0]), as_path(self.target)
        sums = self.sums
        return Outcome(
            *ends, status, sums.why_ended(), seconds=sums.seconds, files=tuple(sums.kept)
        )

    def _run(self) -> None:
        for path in filter(is_remote, self.sources):  # names the package that a store lacks
            store_of(path)
        output = store_of(self.target)
        records = ObjectManifest(output)
        pending = self._pending(output, records)
        with tempfile.TemporaryDirectory() as place:
            numbered = enumerate(_batches(pending))
            fetch = partial(self._fetch, Path(place))
            for folder, batch in piped(numbered, fetch, threads=1, ahead=1):
                self._restore(folder, batch, output, records)
        records.merge()

    def _pending(self, output: Store, records: ObjectManifest) -> Iterator[_Item]:
        """Yield what is left to do; report all other outcomes. Each store is listed once."""
        naming = Naming(self.how.suffix, self.how.format)
        folder: str | None = None
        there: dict[str, list[Any]] = {}
        inputs: dict[str, str] = {}  # of outputs: of one folder, or of all that several fill
        for store, found in self._found(output):
            above, name = posixpath.split(found.place)
            place = posixpath.join(above, naming(Path(name)))
            if not self.shard.holds(place):
                continue
            if found.url == f"{output.address}/{place}":
                raise ImageError(
                    f"{redacted(found.url)}: would replace the input; choose another folder, "
                    "suffix or format"
                )
            if above != folder:
                folder, there = above, output.folder(above)
                inputs = inputs if len(self.sources) > 1 else {}
            if inputs.setdefault(place, found.url) != found.url:
                raise ImageError(
                    f"{redacted(inputs[place])} and {redacted(found.url)} would both become "
                    f"{redacted(output.url_of(place))}"
                )
            item = _Item(found, store, place)
            settled = self._settled(item, there.get(posixpath.basename(place)), records)
            if settled is None:
                yield item
            else:
                self._end(item, *settled)

    def _found(self, output: Store) -> Iterator[tuple[Store, StoredObject]]:
        """Yield all pictures and clips with their stores. What the output holds is no input. Raises
        `ImageError` if there are none."""
        is_empty = True
        for source in self.sources:
            store = store_of(source)
            for found in store.objects(self.how.recursive, without=output.address):
                if _is_picture(found.place):
                    is_empty = False
                    yield store, found
                elif found.is_named:
                    is_empty = False
                    if self.shard.holds(found.place):
                        self._end(_Item(found, store, found.place), FAILED, _NO_PICTURE)
        if is_empty:
            named = ", ".join(redacted(as_url(source)) for source in self.sources)
            hint = "" if self.how.recursive else "; recursive=True includes the folders within"
            raise ImageError(f"{named}: no pictures{hint}")

    def _settled(
        self, item: _Item, there: list[Any] | None, records: ObjectManifest
    ) -> tuple[str, str] | None:
        """Return status and reason of an object that needs no work."""
        if self._stops():
            return STOPPED, ""
        if there is not None:
            if self.how.skip_existing:
                return SKIPPED, "exists"
            if records.is_done(item.output, there, item.object.version, self.key):
                return SKIPPED, "done before"
            if not self.overwrite and not records.is_ours(item.output, there):
                return FAILED, "exists already; give overwrite=True to replace it"
        return (PLANNED, "") if self.how.dry_run else None

    def _fetch(self, place: Path, numbered: tuple[int, list[_Item]]) -> tuple[Path, list[_Item]]:
        """Download a batch."""
        number, batch = numbered
        folder = place / str(number)

        def get(item: _Item) -> _Item:
            try:
                item.store.get(item.object.url, folder / "in" / item.object.place)
            except Exception as error:  # noqa: BLE001 - stores' clients have no class in common
                return replace(item, failure=_reason(error))
            return item

        return folder, [*piped(batch, get, threads=_DOWNLOADS, ahead=_DOWNLOADS)]

    def _restore(
        self, folder: Path, batch: list[_Item], output: Store, records: ObjectManifest
    ) -> None:
        by_place = {item.object.place: item for item in batch}
        made: list[tuple[_Item, Outcome]] = []
        for item in batch:
            if item.failure:
                self._end(item, FAILED, item.failure)

        def take(outcome: Outcome) -> None:
            item = by_place[outcome.source.relative_to(folder / "in").as_posix()]
            ends = self._outcome(item)
            outcome_ = replace(outcome, source=ends.source, target=ends.target)
            if outcome.status == DONE:
                made.append((item, outcome_))
            else:
                self._note(outcome_)

        if not all(item.failure for item in batch):
            self.restore(folder / "in", folder / "out", take)
        lines = [(i.output, folder / "out" / i.output, i.object.version, self.key) for i, _ in made]
        records.write(lines)
        for item, outcome in made:
            try:
                output.put(folder / "out" / item.output, item.output)
            except Exception as error:  # noqa: BLE001 - stores' clients have no class in common
                outcome = replace(outcome, status=FAILED, reason=_reason(error))
            self._note(outcome)
            (folder / "out" / item.output).unlink(missing_ok=True)
        for item in batch:
            (folder / "in" / item.object.place).unlink(missing_ok=True)

    def _outcome(self, item: _Item) -> Outcome:
        return Outcome(as_path(item.object.url), as_path(os.path.join(self.target, item.output)))

    def _end(self, item: _Item, status: str, reason: str) -> None:
        self._note(replace(self._outcome(item), status=status, reason=reason))

    def _note(self, outcome: Outcome) -> None:
        self.sums.add(outcome)
        self.progress(len(self.sums), len(self.sums))
        self.on_outcome(outcome)

    def _stops(self) -> bool:
        return self.should_stop() or (self.how.fail_fast and self.sums.has_failed)


def _batches(items: Iterable[_Item]) -> Iterator[list[_Item]]:
    batch: list[_Item] = []
    size = 0
    for item in items:
        if batch and (len(batch) == _FILES or size + item.object.size > _BYTES):
            yield batch
            batch, size = [], 0
        batch.append(item)
        size += item.object.size
    if batch:
        yield batch


def _is_picture(place: str) -> bool:
    path = Path(place)
    return _has_known_suffix(path) and not any(part.startswith(".") for part in path.parts)


def _has_known_suffix(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES or is_clip(path)


def _reason(error: Exception) -> str:
    kind = DISK_FULL if is_full_disk(error) else type(error).__name__
    text = " ".join(redacted(f"{kind}: {error}").split())
    return text if len(text) < 300 else f"{text[:300]} ..."


def refuse_remote(
    sources: Sequence[object], target: str | os.PathLike[str], how: FolderOptions
) -> None:
    """Raise `UsageError` or `ImageError` for what stores cannot do."""
    if as_url(target).startswith(("http://", "https://")):
        raise ImageError(f"{redacted(as_url(target))}: can only be read; name another store")
    if how.executor != LOCAL:
        raise UsageError(f"executor={how.executor!r} is for local folders; use shard for stores")
    if how.watch:
        raise UsageError("watch is for local folders; run again for new files")
    if _has_known_suffix(Path(target)) and not Path(target).is_dir():
        raise ImageError(f"{redacted(as_url(target))}: name a folder for the results")
