"""What people do on cue: a step of the whole crowd in Warp kernels, the same in every process, kept on disk."""
