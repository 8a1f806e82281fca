"""Training: data, losses, the loop, and states that survive anything.

Besides torch, numpy, pillow and safetensors nothing is imported until it is used, so that a run can
travel to a bare machine with an accelerator.
"""
