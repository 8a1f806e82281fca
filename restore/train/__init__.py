"""Training: data, losses, the loop, and states for exact resume.

Only torch, numpy, pillow and safetensors are imported at module level, so that a run needs little
on a remote machine with an accelerator.
"""
