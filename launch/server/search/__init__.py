"""Random and Bayesian search, and early stopping: what W&B's hosted sweeps do beside grids.

`definition` reads a sweep's text, `space` and `distributions` say what can be drawn, `samplers` draws,
`proposals` does so for an agent that asks, `hyperband` and `watch` stop what is not worth going on.
"""
