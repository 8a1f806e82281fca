"""Dual-ViT (arXiv 2207.04976): a few semantic tokens see all pixels, and all pixels see them.

The rival of MaxViT inside `restore.networks.judge`; cost is linear in pixels as well.
"""
