# STM32F405 (Cortex-M4F), also QEMU's netduinoplus2.
CC := arm-none-eabi-gcc
ARCH := -mcpu=cortex-m4 -mthumb -mfloat-abi=soft
LINKER_SCRIPT := boards/stm32f405/stm32f405.ld
LDFLAGS += -nostartfiles --specs=nano.specs --specs=nosys.specs -T $(LINKER_SCRIPT) -Wl,--gc-sections
