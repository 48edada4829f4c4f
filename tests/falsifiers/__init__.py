"""For every guard a planted fault that trips it by name, and a clean control that it passes."""
