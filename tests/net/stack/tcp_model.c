/* lwIP's tcp.c as the net server has it (servers/net/lwip.cmake). */
#define tcp_split_unsent_seg queue_split
#include "window.h"

#include "core/tcp.c"
