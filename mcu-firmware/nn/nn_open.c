/* Opening a network: its header, then every record, is compared with what there is; only then is the arena touched. */
#include "nn.h"
#include "nn_kernels.h"

#define COST_RECORD 32u /* of reading a record, in units of NN_MAX_WORK */
#define HEAD_BYTES ((uint32_t)sizeof(struct nn_format_head))

static int part_inside(uint32_t offset, uint32_t bytes, uint32_t alignment, uint32_t size)
{
    return offset % alignment == 0 && offset >= sizeof(struct nn_format_network) && offset <= size && bytes <= size - offset;
}

/* The header, out of the section and free of contradictions. */
static int read_header(const struct plan *plan, struct nn_format_network *header, const uint8_t **network)
{
    struct plan_section section;
    int status = plan_find(plan, "NETW", &section);
    if (status != PLAN_OK)
        return status;
    if (section.size < sizeof *header)
        return PLAN_SECTION;
    nn_format_read(header, section.bytes, sizeof *header);
    *network = section.bytes;
    if (!part_inside(header->records, header->records_bytes, 4, section.size)
        || !part_inside(header->constants, header->constants_bytes, 8, section.size))
        return PLAN_OFFSET;
    if (header->arena_bytes % NN_ALIGNMENT != 0 || header->state_bytes % NN_ALIGNMENT != 0
        || (header->arena_bytes & NN_IN_CONSTANTS) != 0 || (header->constants_bytes & NN_IN_CONSTANTS) != 0
        || header->input_type > 1 || header->output_type > 1 || header->reserved != 0)
        return PLAN_SECTION;
    uint32_t arena = header->arena_bytes;
    if (header->state_bytes > arena || header->input > arena || header->input_bytes > arena - header->input
        || header->output > arena || header->output_bytes > arena - header->output)
        return PLAN_OFFSET;
    return PLAN_OK;
}

/* One record, of which at least the head lies inside. */
static int check_record(const struct nn_bounds *bounds, const uint8_t *record, uint32_t left, struct nn_format_head *head,
                        uint64_t *work)
{
    nn_format_read(head, record, sizeof *head);
    if (head->kind >= NN_KINDS || nn_kernels[head->kind].check == NULL)
        return PLAN_OPERATOR;
    if (head->bytes != nn_kernels[head->kind].bytes || head->rounding > (head->kind == NN_CONV))
        return PLAN_SHAPE;
    if (head->bytes > left)
        return PLAN_OFFSET;
    return nn_kernels[head->kind].check(bounds, record, work);
}

/* All records; *total is what a run costs (nn.h). They fill their place to the last byte. */
static int check_records(const struct nn_format_network *header, const uint8_t *network, uint32_t *total)
{
    struct nn_bounds bounds = {network + header->constants, header->constants_bytes, header->arena_bytes};
    uint32_t at = 0, count = (uint32_t)header->init_ops + header->ops;
    uint64_t resetting = 0, running = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct nn_format_head head;
        uint64_t work = 0;
        if (header->records_bytes - at < HEAD_BYTES)
            return PLAN_OFFSET;
        const uint8_t *record = network + header->records + at;
        int status = check_record(&bounds, record, header->records_bytes - at, &head, &work);
        if (status != PLAN_OK)
            return status;
        *(i < header->init_ops ? &resetting : &running) += work + COST_RECORD; /* no wrap: work was small, or is below 2^63 */
        if (resetting > NN_MAX_RESET_WORK || running > NN_MAX_WORK)
            return PLAN_WORK;
        at += head.bytes;
    }
    *total = (uint32_t)running;
    return at == header->records_bytes ? PLAN_OK : PLAN_SECTION;
}

int nn_open(struct nn *nn, const struct plan *plan, void *arena, size_t arena_bytes)
{
    memset(nn, 0, sizeof *nn);
    struct nn_format_network header;
    const uint8_t *network;
    uint32_t work = 0;
    if ((uintptr_t)arena % NN_ALIGNMENT != 0)
        return PLAN_ALIGNMENT;
    int status = read_header(plan, &header, &network);
    if (status == PLAN_OK && header.arena_bytes > arena_bytes)
        status = PLAN_ARENA;
    if (status == PLAN_OK)
        status = check_records(&header, network, &work);
    if (status != PLAN_OK)
        return status;
    *nn = (struct nn){.network = network, .constants = network + header.constants, .arena = arena, .work = work};
    memset(nn->arena, 0, header.arena_bytes); /* what a run finds there never depends on who had the memory before */
    nn_reset(nn);
    return PLAN_OK;
}

uint32_t nn_arena_wanted(const struct plan *plan)
{
    struct nn_format_network header;
    const uint8_t *network;
    return read_header(plan, &header, &network) == PLAN_OK ? header.arena_bytes : 0;
}
