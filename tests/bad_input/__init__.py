"""What bad input gets: every mistake that edged has an answer to, how to make it, and the answer.

`CASES` is the table. `make bad-input` makes every mistake for real and prints what edged says; docs/ERRORS.md is that
output, and tests/test_bad_input.py holds each line of it. A new way to be wrong gets a row in one of the tables.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bad_input import (
    audio,
    board_commands,
    boards_line,
    boards_text,
    broker,
    bundles,
    config,
    config_boards,
    config_models,
    control,
    models,
    state,
    workshop_collect,
    workshop_compile,
    workshop_evaluate,
    workshop_model,
    workshop_optimise,
    workshop_teach,
    workshop_train,
)

if TYPE_CHECKING:
    from bad_input.case import Case

CASES: dict[str, tuple[Case, ...]] = {
    "The config file": (*config.CASES, *config_models.CASES, *config_boards.CASES),
    "Passwords and certificates": broker.REFUSED,
    "Models": (*models.CASES, *bundles.CASES, *workshop_model.CASES),
    "Recordings": audio.CASES,
    "The state directory": state.REFUSED,
    "Recording, and commands to a running daemon": control.CASES,
    "Datasets, and collecting them": workshop_collect.CASES,
    "Training a model": workshop_train.CASES,
    "Teaching a model": workshop_teach.CASES,
    "Optimising a model": workshop_optimise.CASES,
    "Compiling a model for a board": workshop_compile.CASES,
    "Boards": board_commands.CASES,
    "Evaluating and calibrating": workshop_evaluate.CASES,
    "What may come back": (
        *broker.WAITS,
        *audio.WAITS,
        *models.WAITS,
        *state.WAITS,
        *workshop_collect.WAITS,
        *config_boards.WAITS,
        *boards_text.WAITS,
        *boards_line.WAITS,
    ),
}
"""By chapter."""
