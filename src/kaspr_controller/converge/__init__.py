"""Make it so: compare desired objects with live ones, write what differs, remove what is no longer wanted."""
