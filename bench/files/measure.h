/* measure.c and what differs between its two homes, a module here (tessera.c) and Linux' first program
 * (bench/linux/files.c). */
#ifndef BENCH_FILES_MEASURE_H
#define BENCH_FILES_MEASURE_H

#define IDLE_FILE  "/idle/count"
#define IDLE_LOOPS 5000 /* between two counts */

int measure_main(int count, char **arguments);
/* Where the system can be told to: nothing of the files is in memory any more. */
void measure_forget(void);
/* Counts for ever. */
_Noreturn void idle_main(void);

#endif
