#!/bin/sh
# Put an image on the board that is plugged in, by an ST-LINK: flash.sh IMAGE. Only the sectors that the image has are erased,
# so settings and models stay.
set -eu
if command -v openocd >/dev/null; then
    exec openocd -f interface/stlink.cfg -f target/stm32f4x.cfg -c "program $1 verify reset exit"
fi
if command -v st-flash >/dev/null; then
    arm-none-eabi-objcopy -O ihex "$1" "$1.hex"
    exec st-flash --reset --format ihex write "$1.hex"
fi
echo "neither openocd nor st-flash is there: apt-get install openocd, or stlink-tools" >&2
exit 2
