"""pymicro-wakeword as its own README uses it: `wakeword.py RECORDING`, as fast as it goes."""

from __future__ import annotations

import sys
import wave

from pymicro_wakeword import MicroWakeWord, MicroWakeWordFeatures, Model

CHUNK = 1024


def main() -> None:
    """Hear a recording."""
    word, features = MicroWakeWord.from_builtin(Model.OKAY_NABU), MicroWakeWordFeatures()
    print("ready", flush=True)
    fired = 0
    with wave.open(sys.argv[1]) as file:
        while data := file.readframes(CHUNK):
            for frame in features.process_streaming(data):
                fired += bool(word.process_streaming(frame))
    print(fired)


if __name__ == "__main__":
    main()
