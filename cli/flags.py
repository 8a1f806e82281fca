"""Names of options in messages: the library writes Python's, the command line its own."""

import re

NAMES = (
    *("allow_gaps", "audio", "backend", "bit_depth", "codec", "crf", "deinterlace", "device"),
    *("devices", "dry_run", "encode_quality", "executor", "ray_address"),
    *("ensemble", "fail_fast", "format", "fps", "max_memory", "max_pixels", "model", "overlap"),
    *("overwrite", "pix_fmt", "precision", "quality", "recursive", "reduce", "resume"),
    *("sha256", "shard", "skip_existing", "source", "stages", "stamp", "steps", "strength"),
    *("suffix", "target_model", "task", "temporal", "tile", "variant", "watch", "workers"),
)
"""Options of the library that the command line has too."""
_ANY = "|".join(NAMES)
_GIVEN = re.compile(rf"""(?<![\w./-])({_ANY})=("[^"]*"|'[^']*'|[\w.]+)""")
_SUBJECT = re.compile(rf"^({_ANY})(?= is )")


def as_flags(message: str) -> str:
    """Replace Python's spelling of options by the command line's: ``overwrite=True`` by
    ``--overwrite``, ``fps=25`` by ``--fps 25``, and a leading ``crf is`` by ``--crf is``. A call is
    a command there."""

    def flag(found: re.Match[str]) -> str:
        value = found[2].strip("\"'")
        return _flag(found[1]) if value == "True" else f"{_flag(found[1])} {value}"

    message = message.replace("the same call", "the same command")
    return _SUBJECT.sub(lambda found: _flag(found[1]), _GIVEN.sub(flag, message))


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"
