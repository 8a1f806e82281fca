"""`restore models`: installed and available models, as a table or one whole card."""

from typing import Annotated, Any

import typer

from restore.cli.console import to_json

_SHOWN = ("name", "task", "variant", "parameters", "licence", "training_data", "limits", "figures")
_WIDTH = 100


def models(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="Show the whole card of this model.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List all models: shipped, downloaded and available."""
    from restore.checkpoints import store
    from restore.export.onnx_files import has_torch

    if name is None:
        listed = store.catalogue()
        if json:
            typer.echo(to_json([_values(one, _SHOWN) for one in listed], indent=1))
            return
        for line in _table(listed):
            typer.echo(line)
        onnx = "" if has_torch() else " --onnx"
        typer.echo(
            "\nA whole card: restore models NAME. A model not installed: restore weights pull "
            f"NAME{onnx}."
        )
        if onnx:
            typer.echo("Without torch, models are used with --backend onnxruntime.")
        return
    entry = store.entry(name)
    if json:
        typer.echo(to_json(_values(entry, None), indent=1))
        return
    for line in _whole(entry):
        typer.echo(line)


def _values(entry: Any, shown: tuple[str, ...] | None) -> dict[str, Any]:
    card = entry.card.to_dict()
    own = {"state": entry.state, "quality": entry.quality, "size": entry.size}
    return own | (card if shown is None else {key: card[key] for key in shown})


def _table(listed: list[Any]) -> list[str]:
    """Rows of at most `_WIDTH` columns; a figure that does not fit is cut."""
    rows = [("name", "head", "quality", "size", "installed", "figure")]
    for entry in listed:
        figures = [figure for figure in entry.card.figures if not figure.stages]
        rows.append(
            (
                entry.card.name,
                entry.card.task,
                entry.quality,
                f"{entry.size / 1e6:.1f} MB",
                _where(entry),
                _figure(figures[0]) if figures else "",
            )
        )
    widths = [max(len(row[i]) for row in rows) for i in range(5)]
    lines = []
    for row in rows:
        cells = [
            cell.rjust(width) if i == 3 else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row[:5], widths, strict=True))
        ]
        line = "  ".join((*cells, row[5])).rstrip()
        lines.append(line if len(line) <= _WIDTH else f"{line[: _WIDTH - 3]}...")
    return lines


def _where(entry: Any) -> str:
    from restore.checkpoints.store import Model
    from restore.export.onnx_files import can_run

    if entry.path is None:
        return "no"
    can = can_run(Model(entry.path, entry.card, entry.state))
    return entry.state if can else "not exported"


def _figure(figure: Any) -> str:
    unit = " dB" if figure.metric == "PSNR" else ""
    return f"{figure.metric} {figure.value:g}{unit}, {figure.data}"


def _whole(entry: Any) -> list[str]:
    card = entry.card
    data = [f"{one.name} ({one.licence})" for one in card.training_data] or ["unknown"]
    tile = card.tile
    memory = [
        f"{size:,.0f} bytes a pixel in {precision} on {device}"
        for device, sizes in card.memory.items()
        for precision, size in sizes.items()
    ]
    multiple = " x ".join(map(str, card.network.size_multiple))
    facts: list[tuple[str, list[str]]] = [
        ("name", [card.name]),
        ("head", [card.task]),
        ("quality", [entry.quality]),
        ("state", [entry.state if entry.path is None else f"{entry.state}, {entry.path}"]),
        ("size", [f"{entry.size / 1e6:.1f} MB, {card.parameters or 0:,} parameters"]),
        ("variant", [card.variant]),
        ("licence", [card.licence]),
        ("paper", [card.paper]),
        ("trained on", data),
        ("patch", [f"{card.training_patch} pixels"] if card.training_patch else []),
        ("sizes", [f"multiples of {multiple} pixels; others are padded"]),
        ("precisions", [", ".join(card.precisions)]),
        ("memory", memory),
        ("cutting", [] if tile is None else [_cutting(tile)]),
        ("limits", [card.limits] if card.limits else []),
        ("SHA-256", [card.sha256] if card.sha256 else []),
        ("source", [f"{key}: {value}" for key, value in card.source.items()]),
        ("figures", [str(figure) for figure in card.figures]),
    ]
    lines = []
    for label, values in facts:
        for i, value in enumerate(value for value in values if value):
            lines.append(f"{'' if i else label:11} {value}")
    return lines


def _cutting(tile: Any) -> str:
    words = [
        f"tiles of {tile.size} pixels, {tile.overlap} shared, above {tile.whole_up_to:,} pixels"
    ]
    if tile.reduce_to:
        words.append(f"reduced to {tile.reduce_to} pixels a side first")
    if tile.window:
        words.append(f"windows of {tile.window} pixels")
    return "; ".join(words)
