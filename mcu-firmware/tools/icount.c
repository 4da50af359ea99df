/* A plugin of QEMU 7.2 that counts which code ran between two places: -plugin icount.so,begin=HEX,end=HEX,out=FILE.
 *
 * Whenever the emulated program passes `end` after `begin`, FILE gets a line "run" and, for each block of code that ran in
 * between, "address instructions times jumps" (jumps: how often what ran next was not what stands next). icount_cycles.py makes
 * counts, cycles and hot functions of it. Debian ships no qemu-plugin.h: what is used of its version 1 is declared here
 * (QEMU 7.2, include/qemu/qemu-plugin.h). */
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct qemu_plugin_tb;
struct qemu_plugin_insn;
struct qemu_info;
enum qemu_plugin_cb_flags { QEMU_PLUGIN_CB_NO_REGS };

void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id, void (*)(uint64_t, struct qemu_plugin_tb *));
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *, void (*)(unsigned, void *), enum qemu_plugin_cb_flags,
                                          void *with);
void qemu_plugin_register_atexit_cb(uint64_t id, void (*)(uint64_t, void *), void *with);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *, size_t);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *);

__attribute__((visibility("default"))) int qemu_plugin_version = 1;
__attribute__((visibility("default"))) int qemu_plugin_install(uint64_t id, const struct qemu_info *, int argc, char **argv);

struct block {
    struct block *next;
    uint64_t begin, end, times, jumps;
    size_t instructions;
};

static struct block *blocks, *before;
static uint64_t begin, end;
static bool counting;
static FILE *out;

static void tell(void)
{
    fprintf(out, "run\n");
    for (struct block *block = blocks; block != NULL; block = block->next) {
        if (block->times != 0) {
            fprintf(out, "%" PRIx64 " %zu %" PRIu64 " %" PRIu64 "\n", block->begin, block->instructions, block->times,
                    block->jumps);
        }
        block->times = block->jumps = 0;
    }
}

static void ran(unsigned cpu, void *with)
{
    struct block *block = with;
    (void)cpu;
    if (block->begin == begin) {
        counting = true;
        before = NULL;
    } else if (block->begin == end) {
        if (counting) {
            tell();
        }
        counting = false;
    } else if (counting) {
        if (before != NULL && before->end != block->begin) {
            before->jumps++;
        }
        block->times++;
        before = block;
    }
}

static void translated(uint64_t id, struct qemu_plugin_tb *code)
{
    struct block *block = calloc(1, sizeof *block);
    (void)id;
    block->instructions = qemu_plugin_tb_n_insns(code);
    struct qemu_plugin_insn *last = qemu_plugin_tb_get_insn(code, block->instructions - 1);
    block->begin = qemu_plugin_tb_vaddr(code);
    block->end = qemu_plugin_insn_vaddr(last) + qemu_plugin_insn_size(last);
    block->next = blocks;
    blocks = block;
    qemu_plugin_register_vcpu_tb_exec_cb(code, ran, QEMU_PLUGIN_CB_NO_REGS, block);
}

static void ended(uint64_t id, void *with)
{
    (void)id;
    (void)with;
    fclose(out);
}

int qemu_plugin_install(uint64_t id, const struct qemu_info *info, int argc, char **argv)
{
    (void)info;
    for (int i = 0; i < argc; i++) {
        if (strncmp(argv[i], "begin=", 6) == 0) {
            begin = strtoull(argv[i] + 6, NULL, 16);
        } else if (strncmp(argv[i], "end=", 4) == 0) {
            end = strtoull(argv[i] + 4, NULL, 16);
        } else if (strncmp(argv[i], "out=", 4) == 0) {
            out = fopen(argv[i] + 4, "w");
        }
    }
    if (begin == 0 || end == 0 || out == NULL) {
        return -1;
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_atexit_cb(id, ended, NULL);
    return 0;
}
