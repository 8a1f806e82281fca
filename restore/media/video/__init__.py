"""Moving pictures in and out of files. Never imports torch."""
