"""The delivery: multi-part EXR, Cryptomatte, proxy, contact sheet."""
