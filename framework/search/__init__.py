"""What a sweep definition may say beside a grid: spaces to draw from, the metric, and early stopping.

`space` and `distributions` say what can be drawn, `bounds` and `rules` what is wrong. Drawing is the server's.
"""
