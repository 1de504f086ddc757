"""Stitching: how well does one model's decoder read another model's latents, through a simple map?"""
