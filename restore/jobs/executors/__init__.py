"""Ways to carry out the plan of a folder run."""
