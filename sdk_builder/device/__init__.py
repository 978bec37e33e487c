"""Phones over adb: finding them, knowing them, moving files, running the app."""
