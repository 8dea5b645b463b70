/* lwIP's tcp_in.c as the net server has it (servers/net/lwip.cmake). */
#include "lookup_tcp_in.h"

#include "core/tcp_in.c"
