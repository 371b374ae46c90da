"""What the gate does to one entry: points, differences, and a module a kind of meaning."""
