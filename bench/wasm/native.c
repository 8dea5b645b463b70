/* A benchmark as a native program of Tessera: one round, beside which the same source translated from WebAssembly is
 * measured. Prints `bench NAME SECONDS` as harness.c does; under the instruction counter a nanosecond is an
 * instruction. */
#include "harness.h"
#include "proto/start.h"
#include "tessera/clock.h"
#include "tessera/server.h"
#include "tessera/text.h"

static uint32_t (*volatile const one_round)(void) = benchmark_round;

int program_main(const struct start_page *page)
{
    uint64_t before = clock_ticks();
    uint32_t checksum = one_round();
    uint64_t ns = (uint64_t)((unsigned __int128)(clock_ticks() - before) * 1000000000ul / page->timer_hz);
    if (checksum != benchmark.checksum) {
        log_text("%s yields %lx, not %lx\n", benchmark.name, (unsigned long)checksum,
                 (unsigned long)benchmark.checksum);
        return 1;
    }
    log_text("bench %s %lu.%09lu\n", benchmark.name, ns / 1000000000ul, ns % 1000000000ul);
    return 0;
}
