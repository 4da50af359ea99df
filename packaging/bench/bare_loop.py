"""The bare loop: front end, quantise every 30 ms, invoke, read the result, and nothing else.

    bare_loop.py RECORDING MODEL.tflite [--paced]

With --paced a chunk is taken when a microphone would have delivered it; otherwise as fast as it goes.
"""

from __future__ import annotations

import sys
import time
import wave

import numpy as np
from pymicro_features import MicroFrontend
from tflite_runtime.interpreter import Interpreter

CHUNK = 1024
PIECE_BYTES = 320
FRAMES = 3


def main() -> None:
    """Hear a recording."""
    recording, model = sys.argv[1:3]
    paced = "--paced" in sys.argv
    front_end = MicroFrontend()
    interpreter = Interpreter(model_path=model, num_threads=1)
    interpreter.allocate_tensors()
    takes, gives = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    (in_scale, in_zero), (out_scale, out_zero) = takes["quantization"], gives["quantization"]
    print("ready", flush=True)
    frames: list[list[float]] = []
    heard, highest = b"", 0.0
    with wave.open(recording) as file:
        due_s, chunk_s = time.monotonic(), CHUNK / file.getframerate()
        while data := file.readframes(CHUNK):
            if paced:
                due_s += chunk_s
                time.sleep(max(0.0, due_s - time.monotonic()))
            heard += data
            at = 0
            while at + PIECE_BYTES <= len(heard):
                out = front_end.process_samples(heard[at : at + PIECE_BYTES])
                at += 2 * out.samples_read
                if out.features:
                    frames.append(out.features)
                if len(frames) == FRAMES:
                    window = np.array(frames, dtype=np.float32)[np.newaxis]
                    interpreter.set_tensor(takes["index"], np.round(window / in_scale + in_zero).astype(np.int8))
                    interpreter.invoke()
                    score = (int(interpreter.get_tensor(gives["index"])[0, 0]) - out_zero) * out_scale
                    highest = max(highest, score)
                    frames.clear()
            heard = heard[at:]
    print(highest)


if __name__ == "__main__":
    main()
