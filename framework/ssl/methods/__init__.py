"""The methods, one a file, each with its equations and where it departs from its paper.

`framework.ssl.registry` has them by name.
"""
