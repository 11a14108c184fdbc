"""The dashboards, one file each, read top to bottom like the screen."""
