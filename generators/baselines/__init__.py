"""What came before latent diffusion, trained on the same scenes, so that reports can compare."""
