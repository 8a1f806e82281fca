"""Images and clips, read from files and written to files. Never imports torch."""
