"""Pictures from file to file by rows, so that a large one is never held whole: one file a format.

Each `by_rows` takes a file and returns what it carries with its rows, or None where they cannot be
read one after the other; each `Sink` writes a file row by row.
"""
