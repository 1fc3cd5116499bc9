"""Clips of Muster's own, keyed by hand on the joints: tables of key poses, smooth periodic curves, planted feet."""
