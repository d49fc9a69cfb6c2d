"""People and programs that read: who they are, and what they may."""
