"""`restore eval --no-reference PATH`: the quality of images without true ones."""

from pathlib import Path

import typer

from restore.cli.console import Reporter


def run(
    source: Path,
    target: Path | None,
    measures: list[str],
    csv: Path | None,
    json: bool,
    quiet: bool,
) -> None:
    """Print the quality of each image and the mean."""
    from restore.evaluate import no_reference, report
    from restore.evaluate.table import Table

    cases = no_reference.cases(source, target)
    metrics = no_reference.metrics_of(measures, has_target=target is not None)
    table = Table("", [no_reference.IMAGE], metrics, no_reference.CONDITIONS)
    if not json:
        typer.echo(table.header())
    rows = []
    for row in report.evaluate([no_reference.IMAGE], cases, metrics):
        rows.append(row)
        if not (quiet or json):
            typer.echo(table.line(row))
    if csv is not None:
        table.write_csv(rows, csv)
    Reporter(json).result(table.summary(rows), **(table.to_dict(rows) | {"task": None}))
