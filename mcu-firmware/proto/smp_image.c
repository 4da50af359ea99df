/* Group 1: the firmware itself, as the one image that it is. Zephyr's doc/services/device_mgmt/smp_groups/smp_group_1.rst.
 *
 * There is no second image and no bootloader to swap them: reading the state is all. Models are group 65's. */
#include "exchange.h"

#define GROUP 1
#define SHA256_BYTES 32

enum { STATE = 0 };

static int version_1(int error)
{
    (void)error;
    return SMP_EUNKNOWN;
}

static int state(struct exchange *exchange)
{
    struct body_writer *body = &exchange->response;
    struct service_hello hello = {0};

    exchange->service->hello(exchange->service->app, &hello);
    body_put_list(body, "images");
    body_put_map(body, NULL);
    if (hello.image != NULL)
        body_put_bstr(body, "hash", hello.image, SHA256_BYTES);
    body_put_uint(body, "slot", 0);
    body_put_bool(body, "active", true);
    body_put_bool(body, "pending", false);
    body_put_text(body, "version", hello.firmware);
    body_put_bool(body, "bootable", true);
    body_put_bool(body, "confirmed", true);
    body_put_bool(body, "permanent", false);
    body_put_map_end(body);
    body_put_list_end(body);
    body_put_uint(body, "splitStatus", 0);
    return 0;
}

static const struct smp_command commands[] = {
    {STATE, state, NULL},
};

const struct smp_group smp_group_image = {
    .number = GROUP,
    .commands = sizeof commands / sizeof commands[0],
    .name = "img mgmt",
    .command = commands,
    .version_1 = version_1,
};
