"""What a technician asks at the cabinet: who is on this line, what is wrong with it, and what was seen."""
