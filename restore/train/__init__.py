"""Training: data, losses, the loop, and states that survive anything."""
