"""Quality: metrics with their protocol, and tables over sets of images."""
