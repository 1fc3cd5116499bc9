"""The director's pages: what is laid out, seen from above and through the camera, and changed by hand."""
