"""What is in a film: its pictures' exact times, its scenes, repeats and pulldown."""
