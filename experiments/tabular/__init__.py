"""Tabular: what predicts a table best, and by how much is it better than saying the same of every row?"""
