"""Builds, signs and inspects the demo app, without Gradle and without the Android SDK."""
