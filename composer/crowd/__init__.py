"""Who stands where and does what: figures, cast, formations, clips and retargeting."""
