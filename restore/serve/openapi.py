"""Parts of the OpenAPI description that are not derived from functions: forms and errors."""

from __future__ import annotations

from typing import Any

from restore.heads import HEADS, QUALITIES

_OPTIONS: dict[str, Any] = {
    "quality": {"type": "string", "enum": list(QUALITIES), "default": "standard"},
    "strength": {"type": "number", "minimum": 0, "maximum": 1, "default": 1},
    "format": {
        "type": "string",
        "description": "Ending of the output, such as png; by default the input's.",
    },
    "bit_depth": {"type": "string", "enum": ["8", "16", "32f"]},
    "encode_quality": {"type": "integer", "minimum": 1, "maximum": 100},
    "folder": {"type": "string", "description": "Folder of the result in an archive."},
}
_FILE: dict[str, Any] = {"type": "string", "format": "binary"}
_HEAD: dict[str, Any] = {"type": "string", "enum": list(HEADS)}
ERRORS: dict[int | str, dict[str, Any]] = {
    status: {
        "description": text,
        "content": {
            "application/json": {
                "schema": {"type": "object", "properties": {"error": {"type": "string"}}}
            }
        },
    }
    for status, text in {
        400: "An option that does not exist.",
        401: "The server requires a token.",
        403: "The request comes from a page of another origin, or names another host.",
        404: "No such head, model or job.",
        413: "The upload is too large.",
        422: "The file is damaged, of an unknown kind, or too large.",
        503: "The queue is full; try again later.",
    }.items()
}
"""Each answer is an object with ``error``, one line."""


def form(with_head: bool = False, file_only: bool = False) -> dict[str, Any]:
    """Return the description of a request body: a form with a file and options."""
    properties = {"file": _FILE}
    if with_head:
        properties["head"] = _HEAD
    if not file_only:
        properties |= _OPTIONS
    required = ["file", "head"] if with_head else ["file"]
    schema = {"type": "object", "properties": properties, "required": required}
    return {
        "requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}
    }


def binary(description: str) -> dict[int | str, dict[str, Any]]:
    """Return the description of an answer that is a file."""
    return {200: {"description": description, "content": {"*/*": {"schema": _FILE}}}}
