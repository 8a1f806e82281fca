"""Inference: one `Restorer` turns an array into a better array."""
