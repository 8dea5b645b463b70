/* Functions of another file than the program's, which compilers inline. */
struct header {
    int length, kind;
};

static inline int header_sum(const struct header *header, int count)
{
    int sum = 0;
    for (int i = 0; i < count; i++)
        sum += header[i].length * header[i].kind;
    return sum;
}

/* For the test: the line of the access above. */
#define LINE_OF_ACCESS 10
