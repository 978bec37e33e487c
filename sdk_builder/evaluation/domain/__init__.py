"""Quality of a bundle's own answers in healthcare, law and finance."""
