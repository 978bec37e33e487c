"""The measuring process: the reference for what the app does on a phone."""
