"""Communication: does the error of a map between two networks tell what becomes of them when they are fused?"""
