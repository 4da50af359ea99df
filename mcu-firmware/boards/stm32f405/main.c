/* The application gets its memory, and never gives the control back. */
#include "../../app/app.h"

static struct app app;

int main(void) { app_run(&app); }
