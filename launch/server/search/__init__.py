"""Random and Bayesian search, and early stopping: what W&B's hosted sweeps do beside grids.

`definition` reads a sweep's text (what it may say is in `framework.search`), `samplers` draws, `proposals` does so
for an agent that asks, `hyperband` and `watch` stop what is not worth going on.
"""
