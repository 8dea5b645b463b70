#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fuzz_one.h"
#include "languages.h"
#include "opinion.h"

static int questions = -1, answers = -1;

static void give_up(const char *what)
{
    perror(what);
    exit(2);
}

static void opinion_start(const char *command)
{
    int to[2], from[2];
    if (pipe(to) != 0 || pipe(from) != 0)
        give_up("pipe");
    pid_t child = fork();
    if (child < 0)
        give_up("fork");
    if (child == 0) {
        if (dup2(to[0], 0) < 0 || dup2(from[1], 1) < 0)
            _exit(2);
        close(to[1]);
        close(from[0]);
        execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(2);
    }
    close(to[0]);
    close(from[1]);
    questions = to[1];
    answers = from[0];
}

/* libFuzzer's timer interrupts both. */
static void write_all(const uint8_t *bytes, size_t size)
{
    while (size > 0) {
        ssize_t count = TEMP_FAILURE_RETRY(write(questions, bytes, size));
        if (count <= 0)
            give_up("WASM_FUZZ_OPINION does not read");
        bytes += count;
        size -= (size_t)count;
    }
}

/* One line; what is too long for `answer` is lost. */
static void read_line(char *answer, size_t answer_size)
{
    size_t length = 0;
    char letter = '\0';
    for (;;) {
        if (TEMP_FAILURE_RETRY(read(answers, &letter, 1)) != 1)
            give_up("WASM_FUZZ_OPINION does not answer");
        if (letter == '\n')
            break;
        if (length + 1 < answer_size)
            answer[length++] = letter;
    }
    answer[length] = '\0';
}

static unsigned long environment_number(const char *name, unsigned long otherwise)
{
    const char *text = getenv(name);
    return text ? strtoul(text, NULL, 10) : otherwise;
}

static unsigned environment_features(void)
{
    const char *name = getenv("WASM_FUZZ_LANGUAGE");
    const struct language *language = language_find(name ? name : "all");
    if (!language)
        give_up("WASM_FUZZ_LANGUAGE");
    return language->features;
}

void opinion_compare(const uint8_t *bytes, size_t size)
{
    static unsigned long valid_count;
    const char *command = getenv("WASM_FUZZ_OPINION");
    char answer[512];
    if (!command || fuzz_one(bytes, size, environment_features()) != FUZZ_VALID ||
        valid_count++ % environment_number("WASM_FUZZ_EVERY", 1) != 0)
        return;
    if (questions < 0)
        opinion_start(command);
    uint8_t length[4] = {(uint8_t)size, (uint8_t)(size >> 8), (uint8_t)(size >> 16), (uint8_t)(size >> 24)};
    write_all(length, sizeof length);
    write_all(bytes, size);
    read_line(answer, sizeof answer);
    if (strncmp(answer, "no", 2) != 0)
        return;
    fprintf(stderr, "accepted here, but not there: %s\n", answer);
    abort();
}
