/*
 * An emulator plugin that counts executed instructions exactly: every translated block has its length and
 * a counter, to which the emulated program itself adds one at each entry. At the end it writes a line per
 * block to the file of its argument `out=`: address, instructions, times entered.
 *
 * The few functions of version 1 of QEMU's plugin interface that it calls are declared here, so that no
 * header is needed: cc -O2 -shared -fPIC -o plugin.so plugin.c
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint64_t plugin_id;
struct block_of_qemu;
typedef void (*on_translation)(plugin_id, struct block_of_qemu *);
typedef void (*on_exit_)(plugin_id, void *);
enum operation { ADD };

extern void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id, on_translation);
extern void qemu_plugin_register_vcpu_tb_exec_inline(struct block_of_qemu *, enum operation, void *,
                                                     uint64_t);
extern void qemu_plugin_register_atexit_cb(plugin_id, on_exit_, void *);
extern size_t qemu_plugin_tb_n_insns(const struct block_of_qemu *);
extern uint64_t qemu_plugin_tb_vaddr(const struct block_of_qemu *);

#define EXPORT __attribute__((visibility("default")))
EXPORT int qemu_plugin_version = 1;

struct block {
    uint64_t address, instructions, entered;
    struct block *next;
};
static struct block *blocks;
static const char *out = "blocks.txt";

static void translated(plugin_id id, struct block_of_qemu *tb)
{
    struct block *block = calloc(1, sizeof *block);
    if (!block) {
        fputs("plugin: out of memory\n", stderr);
        exit(1);
    }
    block->address = qemu_plugin_tb_vaddr(tb);
    block->instructions = qemu_plugin_tb_n_insns(tb);
    /* Several threads may translate. */
    block->next = __atomic_load_n(&blocks, __ATOMIC_RELAXED);
    while (!__atomic_compare_exchange_n(&blocks, &block->next, block, 0, __ATOMIC_ACQ_REL,
                                        __ATOMIC_RELAXED)) {
    }
    qemu_plugin_register_vcpu_tb_exec_inline(tb, ADD, &block->entered, 1);
}

static void finished(plugin_id id, void *unused)
{
    FILE *file = fopen(out, "w");
    if (!file) {
        perror(out);
        _Exit(1);
    }
    for (struct block *block = blocks; block; block = block->next)
        if (block->entered)
            fprintf(file, "%" PRIx64 " %" PRIu64 " %" PRIu64 "\n", block->address, block->instructions,
                    block->entered);
    if (fclose(file)) {
        perror(out);
        _Exit(1);
    }
}

EXPORT int qemu_plugin_install(plugin_id id, const void *info, int count, char **arguments)
{
    for (int i = 0; i < count; i++)
        if (!strncmp(arguments[i], "out=", 4))
            out = strdup(arguments[i] + 4);
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_atexit_cb(id, finished, NULL);
    return 0;
}
