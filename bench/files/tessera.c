/* measure.c and idle.c as modules of this system: `idle`, or measure's arguments. */
#include <string.h>

#include "files/measure.h"

/* The store keeps less in memory than the large file has. */
void measure_forget(void) {}

int main(int count, char **arguments)
{
    if (count == 2 && strcmp(arguments[1], "idle") == 0)
        idle_main();
    return measure_main(count, arguments);
}
