# The application on Linux: what tests and the demo talk to.
CC := gcc
CPPFLAGS += -D_GNU_SOURCE
LDFLAGS += -Wl,--gc-sections
