/* Running a network that nn_open has let through: one record after another, without a question. */
#include "nn.h"
#include "nn_kernels.h"

static struct nn_format_network header_of(const struct nn *nn)
{
    struct nn_format_network header;
    nn_format_read(&header, nn->network, sizeof header);
    return header;
}

/* Run `count` records; the one after them. */
static const uint8_t *run_records(const struct nn *nn, const uint8_t *record, uint32_t count)
{
    for (; count > 0; count--) {
        struct nn_format_head head;
        nn_format_read(&head, record, sizeof head);
        nn_kernels[head.kind].run(nn, record);
        record += head.bytes;
    }
    return record;
}

/* The first record of a run: behind those that make the state. */
static const uint8_t *first_record(const struct nn *nn, const struct nn_format_network *header)
{
    const uint8_t *record = nn->network + header->records;
    for (uint32_t i = 0; i < header->init_ops; i++) {
        struct nn_format_head head;
        nn_format_read(&head, record, sizeof head);
        record += head.bytes;
    }
    return record;
}

void nn_reset(struct nn *nn)
{
    struct nn_format_network header = header_of(nn);
    memset(nn->arena, 0, header.state_bytes);
    run_records(nn, nn->network + header.records, header.init_ops);
}

void nn_run(struct nn *nn)
{
    struct nn_format_network header = header_of(nn);
    run_records(nn, first_record(nn, &header), header.ops);
}

uint8_t *nn_input(const struct nn *nn)
{
    return nn->arena + header_of(nn).input;
}

uint32_t nn_input_bytes(const struct nn *nn)
{
    return header_of(nn).input_bytes;
}

const uint8_t *nn_output(const struct nn *nn)
{
    return nn->arena + header_of(nn).output;
}

uint32_t nn_output_bytes(const struct nn *nn)
{
    return header_of(nn).output_bytes;
}

uint32_t nn_arena_bytes(const struct nn *nn)
{
    return header_of(nn).arena_bytes;
}
