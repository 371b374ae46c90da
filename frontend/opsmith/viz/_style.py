"""What pictures of graphs look like: dark text on light boxes, readable in print."""

from __future__ import annotations

FONT = "Helvetica"
LINE, MODULE = "#5b6770", "#7a4fa3"
FILL = {"op": "#eef2f6", "leaf": "#cfe8d5", "output": "#ffe3b3"}
WIDTH = {"op": 0.8, "leaf": 1.2, "output": 1.2}
