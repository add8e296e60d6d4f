"""How any controller runs: reflectors, stores, triggers, the work queue, workers, leadership, life cycle."""
