# STM32F405 (Cortex-M4F). With VARIANT=-qemu for QEMU's netduinoplus2: another flash driver, see qemu/.
CC := arm-none-eabi-gcc
ARCH := -mcpu=cortex-m4 -mthumb -mfloat-abi=soft
PLATFORM := boards/stm32f405/$(if $(filter -qemu,$(VARIANT)),qemu,chip)
BOARD_PARTS := $(PLATFORM)
CPPFLAGS += -I$(PLATFORM)
LINKER_SCRIPT := boards/stm32f405/stm32f405.ld $(PLATFORM)/memory.ld
# Only memcpy and its like come from newlib (whose nano twin copies byte by byte): without its system calls whatever
# allocates or prints does not link.
LDFLAGS += -nostartfiles -nodefaultlibs -T boards/stm32f405/stm32f405.ld -L$(PLATFORM) -Wl,--gc-sections
LDLIBS += -lc -lgcc
FLASH := boards/stm32f405/flash.sh
