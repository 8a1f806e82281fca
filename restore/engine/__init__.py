"""Inference: one `Restorer` turns an array into a better array."""

from restore.engine.threads import prepare

prepare()  # before any module of this package imports torch, which reads the settings once
