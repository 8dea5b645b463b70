/* Whether what one instance exports fits what another imports, and both in words for messages. */
#ifndef TESSERA_AOT_IMPORT_MATCH_H
#define TESSERA_AOT_IMPORT_MATCH_H

#include "program.h"

/* Whether entity `provided` of `provider` fits an import of the same kind. When native code instantiates one by one,
 * memories and tables may have grown by then: it checks their size at run time, and here the minimum is not looked at.
 * Types have their numbers already. */
bool entity_matches(const struct instance *provider, uint32_t provided, const struct instance *instance,
                    const struct module_import *import, bool checks_minimum);

/* "(i32 i64) -> (i32)". */
void signature_text(const struct function_type *type, char *text, size_t size);

/* What a module imports or exports: "function (i32) -> ()", "memory of 1 to 2", ... */
void entity_text(const struct module *module, enum external_kind kind, uint32_t index, char *text, size_t size);

#endif
