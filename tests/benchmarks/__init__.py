"""What the project claims about speed, measured: `make bench`. Ratios against the alternative, in the same run."""
