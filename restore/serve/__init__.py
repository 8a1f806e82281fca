"""The web page and the HTTP API of `restore serve` (an extra: fastapi, uvicorn)."""
