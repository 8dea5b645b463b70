/* Removes intermediate folders when a signal ends the process; cleanup.h has the contract. The handler makes system
 * calls only: LLVM may be anywhere when it runs. */
#include "cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FOLDERS 3

static char folders[FOLDERS][PATH_MAX];
static volatile sig_atomic_t folder_count;

/* Linux's struct linux_dirent64. */
struct entry {
    uint64_t number;
    int64_t next;
    uint16_t bytes;
    uint8_t type;
    char name[];
};

static void folder_empty(const char *name)
{
    uint64_t entries[512];
    int folder = open(name, O_RDONLY | O_DIRECTORY);
    long got;
    while (folder >= 0 && (got = syscall(SYS_getdents64, folder, entries, sizeof entries)) > 0)
        for (long at = 0; at < got;) {
            const struct entry *entry = (const void *)((const char *)entries + at);
            unlinkat(folder, entry->name, 0);
            at += entry->bytes;
        }
    close(folder);
}

/* Children that end with this process may still write to the folder. */
#define TRIES 100

static void handle(int number)
{
    while (folder_count > 0) {
        const char *name = folders[--folder_count];
        for (int i = 0; i < TRIES; i++) {
            folder_empty(name);
            if (rmdir(name) == 0 || errno != ENOTEMPTY)
                break;
        }
    }
    signal(number, SIG_DFL);
    raise(number);
}

static const int signals[] = {SIGHUP, SIGINT, SIGTERM};

#define SIGNAL_COUNT (sizeof signals / sizeof signals[0])

static void handle_signals(void)
{
    struct sigaction action = {.sa_handler = handle};
    for (unsigned i = 0; i < SIGNAL_COUNT; i++) {
        struct sigaction before;
        if (sigaction(signals[i], NULL, &before) == 0 && before.sa_handler == SIG_DFL)
            sigaction(signals[i], &action, NULL);
    }
}

bool cleanup_make_folder(char *name)
{
    if (folder_count == FOLDERS || strlen(name) >= PATH_MAX) {
        errno = ENAMETOOLONG;
        return false;
    }
    handle_signals();
    /* No signal between the folder's making and the note of it: the folder would stay. */
    sigset_t ours, before;
    sigemptyset(&ours);
    for (unsigned i = 0; i < SIGNAL_COUNT; i++)
        sigaddset(&ours, signals[i]);
    sigprocmask(SIG_BLOCK, &ours, &before);
    bool is_made = mkdtemp(name) != NULL;
    int problem = errno;
    if (is_made)
        strcpy(folders[folder_count++], name);
    sigprocmask(SIG_SETMASK, &before, NULL);
    errno = problem;
    return is_made;
}

void cleanup_remove_folder(const char *name)
{
    rmdir(name);
    if (folder_count > 0)
        folder_count--;
}

pid_t cleanup_fork(void)
{
    pid_t parent = getpid(), child = fork();
    if (child == 0 && (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent))
        _exit(1);
    return child;
}
