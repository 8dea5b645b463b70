/* The first program of a Linux that measures its files as we measure ours (bench/files/measure.c): in memory, and on
 * ext4 on a virtio disk. ci/bench_linux.py puts the modules that this takes beside it, named by their order, and boots
 * it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "files/measure.h"
#include "guest.h"

/* The disk is found in the background. */
static void mount_disk(void)
{
    int result = -1;
    for (int i = 0; i < 100 && (result = mount("/dev/vda", "/store", "ext4", MS_NOATIME, "")) != 0; i++)
        usleep(20000);
    require(result, "mounting ext4");
}

void measure_forget(void)
{
    int file = open("/proc/sys/vm/drop_caches", O_WRONLY);
    sync();
    require(file < 0 || write(file, "3", 1) != 1 ? -1 : 0, "drop_caches");
    close(file);
}

int main(void)
{
    static char first[] = "memory=/memory", second[] = "store=/store";
    char *arguments[] = {"measure", first, second, NULL};
    setvbuf(stdout, NULL, _IOLBF, 0);
    require(mount("dev", "/dev", "devtmpfs", 0, ""), "mounting /dev");
    require(mount("proc", "/proc", "proc", 0, ""), "mounting /proc");
    modules_load();
    mount_disk();
    require(mount("memory", "/memory", "tmpfs", 0, "size=64m"), "mounting tmpfs");
    require(mount("idle", "/idle", "tmpfs", 0, ""), "mounting tmpfs");
    pid_t idle = fork();
    if (idle == 0) {
        require(sched_setscheduler(0, SCHED_IDLE, &(struct sched_param){0}), "SCHED_IDLE");
        idle_main();
    }
    int status = measure_main(3, arguments);
    printf(status == 0 ? "linux end\n" : "linux: measure ended with %d\n", status);
    power_off();
}
