/* What gnulib's tests expect of their config.h, which its own tool would make: nothing of gnulib replaces a function
 * of the C library, so that it is the library that is tested. */
#ifndef TESTS_GNULIB_CONFIG_H
#define TESTS_GNULIB_CONFIG_H

#define _GNU_SOURCE             1
#define _GL_UNUSED              __attribute__((__unused__))
#define _GL_NORETURN_FUNC       __attribute__((__noreturn__))
#define _GL_INLINE              static inline
#define _GL_EXTERN_INLINE       static inline
#define _GL_ATTRIBUTE_NODISCARD /* of the compiler's warnings */
#define _GL_ATTRIBUTE_PURE
#define _GL_ATTRIBUTE_CONST
#define _GL_ATTRIBUTE_MALLOC
#define _GL_ATTRIBUTE_MAYBE_UNUSED
#define _GL_ATTRIBUTE_DEPRECATED
#define _GL_ATTRIBUTE_NONNULL(arguments)
#define _GL_ATTRIBUTE_FORMAT(arguments)
#define _GL_ATTRIBUTE_DEALLOC(function, index)
#define _GL_ATTRIBUTE_DEALLOC_FREE
#define _GL_ATTRIBUTE_RETURNS_NONNULL
#define _GL_INLINE_HEADER_BEGIN
#define _GL_INLINE_HEADER_END

#define HAVE_ISNANF_IN_LIBC      1 /* the compiler's */
#define HAVE_ISNAND_IN_LIBC      1
#define HAVE_ISNANL_IN_LIBC      1
#define UNLINK_CANNOT_UNLINK_DIR 1
#define GETTIMEOFDAY_TIMEZONE    void
#define PROMOTED_MODE_T          mode_t
#define _GL_CMP(a, b)            (((a) > (b)) - ((a) < (b)))
#define O_BINARY                 0
#define O_TEXT                   0

#include <stdarg.h>
#include <stddef.h>
#include <sys/types.h>

#endif
