"""Help in groups, as plain text: Rich's panels cost more start-up time than everything else."""

from typing import Any

from typer.core import TyperCommand

PICTURE = "Picture"
SPEED = "Quality and speed"
OUTPUT = "Output"
FOLDERS = "Folders"
CLIPS = "Clips"
TILES = "Precision and tiles"
ORDER = ("Arguments", "Options", PICTURE, SPEED, OUTPUT, FOLDERS, CLIPS, TILES)
"""From the options that many need to those that few need."""


class GroupedCommand(TyperCommand):
    """A command whose help lists options by their ``rich_help_panel``, in one list for commands
    that restore no picture."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        groups: dict[str, list[tuple[str, str]]] = {name: [] for name in ORDER}
        parameters = self.get_params(ctx)
        grouped = any(self._group(parameter) == PICTURE for parameter in parameters)
        for parameter in parameters:
            record = parameter.get_help_record(ctx)
            if record is not None:
                name = self._group(parameter)
                groups[name if grouped or name == "Arguments" else "Options"].append(record)
        if groups[OUTPUT]:  # where --help belongs
            groups[OUTPUT] += groups.pop("Options")
        for name, records in groups.items():
            if records:
                with formatter.section(name):
                    formatter.write_dl(records)

    @staticmethod
    def _group(parameter: Any) -> str:
        if parameter.param_type_name == "argument":
            return "Arguments"
        return getattr(parameter, "rich_help_panel", None) or "Options"
