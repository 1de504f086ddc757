"""A self-supervised encoder with a linear probe: a classifier whose latents are the encoder's features."""
