"""What people do on cue: a step of the whole crowd on Warp's hash grid, the same in every process, kept on disk."""
