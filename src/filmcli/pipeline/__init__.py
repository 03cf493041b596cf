"""How a film is made smoother: what is asked for, the plan, its segments, and the work on disk."""
