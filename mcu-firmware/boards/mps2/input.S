/* What is measured, from the file that -DINPUT names: a plan, or sound. */
    .section .input, "a"
    .balign 16
    .global bench_input, bench_input_end
bench_input:
    .incbin INPUT
bench_input_end:
