/* Writes numbered lines, each in two parts: whoever reads them sees whether one is missing. */
#include "tessera/server.h"

#define LINES 400

int program_main(const struct start_page *start)
{
    (void)start;
    for (unsigned i = 0; i < LINES; i++) {
        log_text("line %u of ", i);
        log_text("%u, which is as long as lines are\n", LINES);
    }
    return 0;
}
