# The application on Linux: what tests and the demo talk to.
CC := gcc
# A second of tape: on a machine with other things to do, whoever reads it may be late.
CPPFLAGS += -D_GNU_SOURCE -DTAPE_SAMPLES=16384
LDFLAGS += -Wl,--gc-sections
