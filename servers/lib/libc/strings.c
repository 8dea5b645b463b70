/* The string functions that SQLite and lwIP call and servers/lib does not have: as ISO C says, one byte at a time. */
#include "string.h"

#include <stdint.h>

size_t strlen(const char *text)
{
    size_t length = 0;
    while (text[length])
        length++;
    return length;
}

int strncmp(const char *a, const char *b, size_t most)
{
    for (; most > 0; a++, b++, most--)
        if (*a != *b || *a == 0)
            return (unsigned char)*a - (unsigned char)*b;
    return 0;
}

int strcmp(const char *a, const char *b)
{
    return strncmp(a, b, SIZE_MAX);
}

char *strrchr(const char *text, int wanted)
{
    const char *found = NULL;
    do
        if (*text == (char)wanted)
            found = text;
    while (*text++);
    return (char *)found;
}

size_t strcspn(const char *text, const char *stop)
{
    size_t length = 0;
    for (; text[length]; length++)
        for (const char *s = stop; *s; s++)
            if (text[length] == *s)
                return length;
    return length;
}
