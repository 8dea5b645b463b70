/* The system's log of a program is its standard error. */
#ifndef PORTS_SYSLOG_H
#define PORTS_SYSLOG_H
#include <stdarg.h>
#include <stdio.h>

#define LOG_EMERG   0
#define LOG_ALERT   1
#define LOG_CRIT    2
#define LOG_ERR     3
#define LOG_WARNING 4
#define LOG_NOTICE  5
#define LOG_INFO    6
#define LOG_DEBUG   7

#define LOG_USER   (1 << 3)
#define LOG_DAEMON (3 << 3)
#define LOG_LOCAL0 (16 << 3)
#define LOG_LOCAL1 (17 << 3)
#define LOG_LOCAL2 (18 << 3)
#define LOG_LOCAL3 (19 << 3)
#define LOG_LOCAL4 (20 << 3)
#define LOG_LOCAL5 (21 << 3)
#define LOG_LOCAL6 (22 << 3)
#define LOG_LOCAL7 (23 << 3)

#define LOG_PID  1
#define LOG_CONS 2

static inline void openlog(const char *name, int options, int facility)
{
    (void)name, (void)options, (void)facility;
}

static inline void closelog(void) {}

static inline void vsyslog(int priority, const char *format, va_list arguments)
{
    (void)priority;
    (void)vfprintf(stderr, format, arguments);
    (void)fputc('\n', stderr);
}

static inline void syslog(int priority, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsyslog(priority, format, arguments);
    va_end(arguments);
}
#endif
