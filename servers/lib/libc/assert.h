/* SQLite's assertions are off, as in every release build. */
#ifndef assert
#define assert(condition) ((void)0)
#endif
