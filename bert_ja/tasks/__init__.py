"""One file a task: readers, features, scores."""
