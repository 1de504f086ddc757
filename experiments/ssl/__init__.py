"""Self-supervised learning: which method, views and batches give features that a simple classifier can use."""
