/* A program around the engine, so that the linker keeps it. */
#include <stdio.h>

#include "duktape.h"

int main(void)
{
    duk_context *context = duk_create_heap_default();
    duk_eval_string(context, "var sum = 0; for (var i = 0; i < 1000; i++) sum += i; sum");
    printf("%d\n", duk_get_int(context, -1));
    duk_destroy_heap(context);
    return 0;
}
