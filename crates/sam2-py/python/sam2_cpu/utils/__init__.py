"""Helpers. Meta: ``sam2/utils``."""
