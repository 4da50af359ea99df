/* The application on Linux. */
#include "../../app/app.h"
#include "host.h"

static struct app app;

int main(int argc, char **argv)
{
    struct host_options options;

    host_read_options(&options, argc, argv);
    host_begin(&options, argv);
    app_run(&app);
}
