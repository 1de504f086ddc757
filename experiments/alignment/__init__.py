"""Alignment: how early in training does a map exist into the latent space of a model that is finished?"""
