"""Options that divide a folder run among processes and machines."""

from typing import Annotated

from restore.cli.grouped_help import FOLDERS
from restore.cli.options import option

Shard = Annotated[
    str,
    option(FOLDERS, metavar="3/16|slurm", help="Restore one share of the files into OUT."),
]
FolderDevices = Annotated[
    int, option(FOLDERS, "--devices", min=1, help="Processes, one per GPU or sharing the CPU.")
]
Executor = Annotated[
    str, option(FOLDERS, metavar="local|ray", help="Restore here, or on a Ray cluster (an extra).")
]
RayAddress = Annotated[
    str,
    option(FOLDERS, help="The cluster's address; default: RAY_ADDRESS, or one on this machine."),
]
