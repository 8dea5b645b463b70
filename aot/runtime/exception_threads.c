/* The same for programs with threads: each has a pool of its own. References stay within their thread: globals and
 * tables that can change are each thread's own. */
#define POOL_STORAGE       _Thread_local
#define wasm_exception_new wasm_exception_new_threads
#include "exception.c" /* NOLINT(bugprone-suspicious-include): the same code with other storage */
