/* The rows of what the fast path does not do. */
#ifndef BENCH_SLOW_H
#define BENCH_SLOW_H

void slow_rows(void);

#endif
