"""`(shot, frame number) -> Frame`, and the job around it: plan, manifest, resume."""
