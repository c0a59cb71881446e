"""The campaign's folder: a journal, samples and a manifest, with a schema version."""
