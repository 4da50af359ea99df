#include "model.h"

#include <string.h>

/* Run what the slots say is active; nothing, where nothing lies there or where it is refused. */
static int open_active(struct model *model, const char **why)
{
    struct slots *slots = &model->slots;
    struct plan plan;
    int status;

    hear_close(&model->hear);
    memset(model->id, 0, sizeof model->id);
    if (slots->active == SLOTS_NONE) {
        *why = "there is no model";
        return PLAN_SECTION;
    }
    status = slots_plan(slots, slots->active, &plan);
    *why = plan_why(status);
    if (status == PLAN_OK)
        status = hear_open(&model->hear, &plan, model->board->arena, model->board->arena_bytes, why);
    model->why[slots->active] = status == PLAN_OK ? NULL : *why;
    if (status == PLAN_OK)
        memcpy(model->id, model->hear.names.sha256, sizeof model->id);
    return status;
}

int model_start(struct model *model, const struct hal_board *board, const struct hear_out *out)
{
    const char *why;
    int status;

    model->board = board;
    model->out = out;
    store_start(&model->store, board);
    status = store_boot(&model->store);
    if (slots_start(&model->slots, board, &model->store) != SERVICE_OK)
        status = -1;
    open_active(model, &why);
    return status;
}

/* Open the model on trial and have it prove itself. */
static int prove(struct model *model, const char **why)
{
    uint8_t slot = model->slots.active;
    int differs;

    if (open_active(model, why) != PLAN_OK)
        return SERVICE_PLAN;
    differs = nn_golden(&model->hear.nn, &model->hear.plan);
    if (differs == 0)
        return SERVICE_OK;
    *why = differs < 0 ? plan_why(differs) : "its golden windows give other outputs here";
    model->why[slot] = *why;
    return differs < 0 ? SERVICE_PLAN : SERVICE_GOLDEN;
}

int model_try(struct model *model, const uint8_t sha256[32], uint64_t until_us, const char **why)
{
    struct slots *slots = &model->slots;
    uint8_t slot = slots_find(slots, sha256), before = slots->active;
    const char *unused;
    int status;

    if (slot == SLOTS_NONE) {
        *why = "no slot holds a plan of that hash";
        return SERVICE_NO_MODEL;
    }
    status = slots_try(slots, slot, why);
    if (status != SERVICE_OK)
        return status;
    model->trial_until_us = until_us;
    if (slot == before && model->hear.open)
        return SERVICE_OK;
    hear_reset(&model->hear, model->out);
    status = prove(model, why);
    if (status != SERVICE_OK) {
        slots_revert(slots, &unused);
        open_active(model, &unused);
    }
    return status;
}

int model_confirm(struct model *model, const uint8_t sha256[32], const char **why)
{
    struct slots *slots = &model->slots;

    if (slots->active == SLOTS_NONE || slots_find(slots, sha256) != slots->active) {
        *why = "that is not the model that runs";
        return SERVICE_NO_MODEL;
    }
    return slots_confirm(slots, why);
}

int model_revert(struct model *model, const char **why)
{
    const char *unused;
    int status;

    if (!model->slots.trial) {
        *why = "no model is on trial";
        return SERVICE_NO_MODEL;
    }
    hear_reset(&model->hear, model->out);
    status = slots_revert(&model->slots, why);
    open_active(model, &unused);
    return status;
}

int model_overdue(const struct model *model, uint64_t now_us)
{
    return model->slots.trial && now_us >= model->trial_until_us;
}

uint8_t model_name(const struct model *model, uint8_t slot, const char **name)
{
    struct plan plan;
    struct names names;

    if (slots_plan(&model->slots, slot, &plan) != PLAN_OK)
        return 0;
    return names_open(&names, &plan) == PLAN_OK ? names_model(&names, name) : 0;
}
