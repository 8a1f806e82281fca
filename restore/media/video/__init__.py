"""Clips, image sequences and animations, read and written. Never imports torch."""
