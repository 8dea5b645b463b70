/* lwIP's port: the compiler, the C library that there is not, time and chance (lwIP's doc/sys_arch.txt). */
#ifndef NET_ARCH_CC_H
#define NET_ARCH_CC_H

#include <stdint.h>

#define LWIP_NO_INTTYPES_H 1
#define LWIP_NO_CTYPE_H    1
#define LWIP_NO_UNISTD_H   1
#define SSIZE_MAX          INT64_MAX
typedef int64_t ssize_t;

#define X8_F  "x"
#define U16_F "u"
#define S16_F "d"
#define X16_F "x"
#define U32_F "u"
#define S32_F "d"
#define X32_F "x"
#define SZT_F "lu"

_Noreturn void net_assertion_failed(const char *text);
uint32_t net_random(void);
#define LWIP_PLATFORM_DIAG(text)   ((void)0)
#define LWIP_PLATFORM_ASSERT(text) net_assertion_failed(text)
#define LWIP_RAND()                net_random()

#ifndef BYTE_ORDER
#define BYTE_ORDER 1234 /* both machines are little endian */
#endif

/* Instructions where lwIP has functions. */
#define lwip_htons(value) __builtin_bswap16(value)
#define lwip_htonl(value) __builtin_bswap32(value)

uint16_t checksum_sum(const void *bytes, int count);
#define LWIP_CHKSUM checksum_sum

#endif
