"""A `.tflite` model becomes a plan, which boards run. `docs/COMPILE.md` says how."""
