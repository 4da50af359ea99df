"""edged: a microphone in, MQTT out, and no cloud between."""
