"""Finds data sets, checks them, and feeds them to a network in batches.

Nothing here imports torch at its top, and this file imports nothing: `archspec validate` needs only the registry.
"""
