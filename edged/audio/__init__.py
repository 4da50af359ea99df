"""Hearing: microphones, files and commands. `audio.Recorder().record("two-seconds.wav", length=2000)`."""

TYPE_CHECKING = False  # typing's own constant would load typing into the capture child, which imports this package
if TYPE_CHECKING:
    from edged.audio.recorder import Recorder

__all__ = ["Recorder"]


def __getattr__(name: str) -> object:
    """Load `Recorder` when it is asked for: the capture child must stay free of NumPy."""
    if name != "Recorder":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from edged.audio.recorder import Recorder  # noqa: PLC0415 - late on purpose, see above

    return Recorder
