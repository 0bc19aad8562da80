"""What only builds need; nothing of it becomes part of a plugin."""
