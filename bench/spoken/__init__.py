"""What bench/audio.py is made of: recordings that it reads or makes, simple methods beside ours, its sections, its page."""
