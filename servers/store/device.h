/* Opening the disks that the process server has given. NULL, or what is wrong. */
#ifndef STORE_DEVICE_H
#define STORE_DEVICE_H

#include "proto/process.h"

const char *disks_open(const struct process_disk *description);

#endif
