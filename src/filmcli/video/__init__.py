"""Films in and out through ffmpeg: probe, decode, encode, mux."""
