"""reconcile(key): one short script per kind that calls the rooms below in the order of the flow."""
