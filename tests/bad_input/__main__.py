"""`python -m bad_input`: make every mistake, and print what edged says."""

import sys

from bad_input import CASES
from bad_input.table import main

sys.exit(main(CASES))
