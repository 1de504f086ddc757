"""One W&B run, its artifacts and its results: the only room that speaks to the wandb client."""
