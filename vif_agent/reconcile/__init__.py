"""From requests to the desired state of the host, again and again, until it is there."""
