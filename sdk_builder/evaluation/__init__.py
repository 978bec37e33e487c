"""Quality measured on the artifact itself."""
