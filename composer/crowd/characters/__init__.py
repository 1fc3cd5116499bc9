"""Characters out of files: glTF and USD, with skeletons and clips of their own."""
