"""The file format: plain data → syntax tree and models, with the files that a spec names."""
