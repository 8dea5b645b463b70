/* A program whose traps must be reported with the lines below: debug.py finds them by their comments. */
#include <stdio.h>
#include <stdlib.h>

#include "header.h"

__attribute__((noinline)) static int parse_header(const struct header *header, int count)
{
    return header_sum(header, count) * 2; /* LINE sum */
}

static int divide(int a, int b)
{
    return a / b; /* LINE divide */
}

__attribute__((noinline)) static void check(int value)
{
    if (value == 5)
        __builtin_trap(); /* LINE trap */
    printf("checked %d\n", value);
}

int recurse(int depth, volatile int *count)
{
    *count += depth;
    if (depth == 1 << 30) /* never: the stack ends long before */
        return 0;
    return recurse(depth + 1, count) + *count; /* LINE recurse */
}

static int read_whole(const char *name)
{
    char line[64];
    FILE *file = fopen(name, "r");
    if (!file)
        return 3;
    while (fgets(line, sizeof line, file))
        fputs(line, stdout);
    return fclose(file);
}

int main(int count, char **arguments)
{
    volatile int zero = 0;
    const char *what = count > 1 ? arguments[1] : "access"; /* without arguments: the out-of-bounds access */
    switch (what[0]) {
    case 'a':
        return parse_header((const struct header *)0x7ffffff0, 4); /* LINE parse */
    case 'd':
        return divide(count, zero); /* LINE call-divide */
    case 't':
        check(5); /* LINE check */
        return 1;
    case 'r':
        return recurse(1, &zero);
    case 'e': /* arguments and environment */
        for (int i = 2; i < count; i++)
            printf("[%s]\n", arguments[i]);
        printf("%s\n", getenv("GREETING") ? getenv("GREETING") : "none");
        return 7;
    case 'f':
        return count > 2 ? read_whole(arguments[2]) : 2;
    default:
        return 0;
    }
}
