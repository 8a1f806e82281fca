"""The packages of an installation: a new folder of restore/ needs no line anywhere."""

from setuptools import find_packages, setup

setup(
    packages=[
        *find_packages(include=["restore", "restore.*"]),
        "restore.cli",
        "restore.weights",
        "restore.weights.official",
        "restore.weights.judge",
    ]
)
