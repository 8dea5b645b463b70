/* Memory of a native server that grows as it is needed: pages, and small pieces cut from pages.
 *
 * The process server adds pages to the server's own region until its memory limit; nothing ever goes back to it. What
 * is given back here is cleared and used again. NULL: the limit is reached.
 */
#ifndef TESSERA_HEAP_H
#define TESSERA_HEAP_H

#include <stddef.h>
#include <stdint.h>

#define HEAP_PAGE_BYTES 4096u

/* Zeroed. */
void *heap_page_take(void);
void heap_page_return(void *page);
/* 1 to HEAP_PAGE_BYTES bytes, zeroed; to be returned with the same size. */
void *heap_take(size_t bytes);
void heap_return(void *piece, size_t bytes);

#endif
