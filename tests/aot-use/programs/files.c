/* What a program can do in a folder that it was given, step by step; use.py looks at what is left. Each step that is
 * not as it should be is printed. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int failures;

#define EXPECT(condition)                                                                                              \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            printf("FAIL line %d: %s (errno %d: %s)\n", __LINE__, #condition, errno, strerror(errno));                 \
            failures++;                                                                                                \
        }                                                                                                              \
    } while (0)

static void write_and_read(void)
{
    char bytes[16] = "";
    struct stat status;
    int file = open("/data/new.txt", O_CREAT | O_EXCL | O_RDWR, 0666);
    EXPECT(file > 2);
    EXPECT(write(file, "0123456789", 10) == 10);
    EXPECT(lseek(file, -4, SEEK_END) == 6);
    EXPECT(read(file, bytes, sizeof bytes) == 4 && memcmp(bytes, "6789", 4) == 0);
    EXPECT(pread(file, bytes, 3, 2) == 3 && memcmp(bytes, "234", 3) == 0);
    EXPECT(pwrite(file, "ab", 2, 4) == 2);
    EXPECT(ftruncate(file, 8) == 0);
    EXPECT(fstat(file, &status) == 0 && status.st_size == 8 && S_ISREG(status.st_mode));
    EXPECT(fsync(file) == 0 && fdatasync(file) == 0);
    EXPECT(close(file) == 0);
    EXPECT(read(file, bytes, 1) == -1 && errno == EBADF);
    file = open("/data/new.txt", O_WRONLY | O_APPEND);
    EXPECT(file > 2 && write(file, "end", 3) == 3 && close(file) == 0);
    EXPECT(open("/data/new.txt", O_CREAT | O_EXCL | O_WRONLY, 0666) == -1 && errno == EEXIST);
}

static int count_entries(const char *folder, const char *wanted)
{
    int count = 0, found = 0;
    DIR *directory = opendir(folder);
    struct dirent *entry;
    EXPECT(directory);
    while (directory && (entry = readdir(directory))) {
        count += entry->d_name[0] != '.';
        found += strcmp(entry->d_name, wanted) == 0;
    }
    if (directory)
        closedir(directory);
    EXPECT(found == 1);
    return count;
}

static void folders(void)
{
    char name[64];
    struct stat status;
    EXPECT(mkdir("/data/sub", 0777) == 0);
    EXPECT(rename("/data/new.txt", "/data/sub/moved.txt") == 0);
    EXPECT(stat("/data/new.txt", &status) == -1 && errno == ENOENT);
    EXPECT(stat("/data/sub/moved.txt", &status) == 0 && status.st_size == 11);
    EXPECT(stat("/data/sub", &status) == 0 && S_ISDIR(status.st_mode));
    for (int i = 0; i < 200; i++) {
        snprintf(name, sizeof name, "/data/sub/file-with-a-long-name-%d", i);
        int file = open(name, O_CREAT | O_WRONLY, 0666);
        EXPECT(file > 2 && close(file) == 0);
    }
    EXPECT(count_entries("/data/sub", "moved.txt") == 201);
    for (int i = 0; i < 200; i++) {
        snprintf(name, sizeof name, "/data/sub/file-with-a-long-name-%d", i);
        EXPECT(unlink(name) == 0);
    }
    EXPECT(rmdir("/data/sub") == -1 && errno == ENOTEMPTY);
    EXPECT(mkdir("/data/empty", 0777) == 0 && rmdir("/data/empty") == 0);
}

/* Nothing outside the folder can be reached, by no name. */
static void confinement(void)
{
    struct stat status;
    EXPECT(open("/data/../secret", O_RDONLY) == -1);
    EXPECT(open("/data/sub/../../secret", O_RDONLY) == -1);
    EXPECT(open("/etc/passwd", O_RDONLY) == -1);
    EXPECT(open("/data/link", O_RDONLY) == -1);
    EXPECT(open("/data/linked-folder/secret", O_RDONLY) == -1);
    EXPECT(stat("/data/linked-folder/secret", &status) == -1);
    EXPECT(symlink("../secret", "/data/own-link") == 0);
    EXPECT(symlink("/etc/passwd", "/data/absolute") == -1 && errno == ENOTCAPABLE);
    EXPECT(open("/data/own-link", O_RDONLY) == -1);
    EXPECT(rename("/data/sub/moved.txt", "/data/../stolen") == -1);
    EXPECT(unlink("/data/../secret") == -1);
}

int main(void)
{
    write_and_read();
    folders();
    confinement();
    puts(failures ? "failed" : "all right");
    return failures ? 1 : 0;
}
