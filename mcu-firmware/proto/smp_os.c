/* Group 0: the operating system that there is not. Zephyr's doc/services/device_mgmt/smp_groups/smp_group_0.rst, whose keys
 * and numbers these are. Echo, task statistics, date and time, reset, parameters, information. */
#include "datetime.h"
#include "exchange.h"
#include "smp.h"

#define GROUP 0
#define UID_BYTES 12
#define WORD_BYTES 4u /* Zephyr counts stacks in words */

enum { ECHO = 0, TASKS = 2, DATETIME = 4, RESET = 5, PARAMETERS = 6, INFORMATION = 7 };
enum { INVALID_FORMAT = 2, RTC_NOT_SET = 4 };

/* os_mgmt_translate_error_code of Zephyr. */
static int version_1(int error)
{
    if (error == INVALID_FORMAT)
        return SMP_EINVAL;
    return error == RTC_NOT_SET ? SMP_ENOENT : SMP_EUNKNOWN;
}

static int echo(struct exchange *exchange)
{
    struct body_text text;

    if (body_tstr(&exchange->request, "d", &text) != BODY_FOUND)
        return exchange_malformed(exchange, "d: a text is needed");
    body_put_tstr(&exchange->response, "r", text.at, text.size);
    return 0;
}

static int tasks(struct exchange *exchange)
{
    struct body_writer *body = &exchange->response;
    struct service_task task = {0};

    exchange->service->task(exchange->service->app, &task);
    body_put_map(body, "tasks");
    body_put_map(body, "app");
    body_put_uint(body, "tid", 0);
    body_put_uint(body, "prio", 0);
    body_put_uint(body, "state", 0);
    body_put_uint(body, "cswcnt", task.switches);
    body_put_uint(body, "stksiz", task.stack_bytes / WORD_BYTES);
    body_put_uint(body, "stkuse", (task.stack_used + WORD_BYTES - 1) / WORD_BYTES);
    body_put_uint(body, "runtime", task.awake_ms);
    body_put_uint(body, "last_checkin", 0);
    body_put_uint(body, "next_checkin", 0);
    body_put_map_end(body);
    body_put_map_end(body);
    return 0;
}

static int read_datetime(struct exchange *exchange)
{
    uint64_t ms = exchange->service->datetime(exchange->service->app);
    char text[DATETIME_BYTES];

    if (ms == 0)
        return RTC_NOT_SET;
    datetime_write(ms, text);
    body_put_tstr(&exchange->response, "datetime", text, sizeof text);
    return 0;
}

static int write_datetime(struct exchange *exchange)
{
    struct body_text text;
    uint64_t ms;

    if (body_tstr(&exchange->request, "datetime", &text) != BODY_FOUND)
        return exchange_malformed(exchange, "datetime: a text is needed");
    if (datetime_read(text.at, text.size, &ms) < 0)
        return exchange_malformed(exchange, "datetime: yyyy-MM-ddTHH:mm:ss.SSSSSS, from 1970 on");
    exchange->service->set_datetime(exchange->service->app, ms);
    return 0;
}

/* Any keys (force, boot_mode) are for those who have choices. */
static int reset(struct exchange *exchange)
{
    return exchange->service->reset(exchange->service->app) == 0 ? 0 : -SMP_EBUSY;
}

static int parameters(struct exchange *exchange)
{
    body_put_uint(&exchange->response, "buf_size", SMP_BUFFER_BYTES);
    body_put_uint(&exchange->response, "buf_count", SMP_BUFFER_COUNT);
    return 0;
}

/* ---- information: what `uname` says ---- */

static const char *machine(void)
{
#if defined(__arm__)
    return "arm";
#elif defined(__aarch64__)
    return "aarch64";
#elif defined(__riscv)
    return "riscv";
#elif defined(__x86_64__)
    return "x86_64";
#elif defined(__i386__)
    return "i386";
#else
    return "unknown";
#endif
}

#define FIELD_COUNT 8
static const char fields_in_order[FIELD_COUNT] = {'s', 'n', 'r', 'v', 'm', 'p', 'i', 'o'};
#define OUTPUT_BYTES 192

struct output {
    char text[OUTPUT_BYTES];
    size_t size;
};

static void add(struct output *output, const char *text)
{
    if (output->size > 0 && output->size < OUTPUT_BYTES)
        output->text[output->size++] = ' ';
    while (*text != '\0' && output->size < OUTPUT_BYTES)
        output->text[output->size++] = *text++;
}

static void hex(const uint8_t *bytes, char out[2 * UID_BYTES + 1])
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < UID_BYTES; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15];
    }
    out[2 * UID_BYTES] = '\0';
}

/* Which fields a format asks for, a bit each; 0: it has a letter that is none. Of no letters: the kernel's name. */
static unsigned fields_of(const uint8_t *format, size_t size)
{
    unsigned fields = 0;

    for (size_t i = 0; i < size; i++) {
        unsigned field = format[i] == 'a' ? (1u << FIELD_COUNT) - 1 : 0;

        for (size_t j = 0; j < FIELD_COUNT; j++)
            field |= format[i] == fields_in_order[j] ? 1u << j : 0;
        if (field == 0)
            return 0;
        fields |= field;
    }
    return size == 0 ? 1u : fields;
}

static int information(struct exchange *exchange)
{
    struct service_hello hello = {0};
    struct body_text format = {0};
    struct output output = {.size = 0};
    char uid[2 * UID_BYTES + 1];
    unsigned fields;

    if (body_tstr(&exchange->request, "format", &format) == BODY_WRONG)
        return exchange_malformed(exchange, "format: a text");
    fields = fields_of(format.at, format.size);
    if (fields == 0)
        return INVALID_FORMAT;
    exchange->service->hello(exchange->service->app, &hello);
    hex(hello.uid, uid);

    const char *const values[FIELD_COUNT] = {
        "edged", uid, hello.firmware, "protocol-1", machine(), hello.chip, hello.board, "edged",
    };
    for (size_t i = 0; i < FIELD_COUNT; i++)
        if (fields >> i & 1u)
            add(&output, values[i]);
    body_put_tstr(&exchange->response, "output", output.text, output.size);
    return 0;
}

static const struct smp_command commands[] = {
    {ECHO, NULL, echo},   {TASKS, tasks, NULL},           {DATETIME, read_datetime, write_datetime},
    {RESET, NULL, reset}, {PARAMETERS, parameters, NULL}, {INFORMATION, information, NULL},
};

const struct smp_group smp_group_os = {
    .number = GROUP,
    .commands = sizeof commands / sizeof commands[0],
    .name = "os mgmt",
    .command = commands,
    .version_1 = version_1,
};
