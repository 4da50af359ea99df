"""edged: a microphone in, MQTT out, and no cloud between."""

__version__ = "0.1.0"
