"""Trials: for each detector, pictures whose truth is known. A file here is found without being named anywhere."""
