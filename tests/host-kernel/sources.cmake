# What the kernel's model is made of: used for the host's tests, for the fuzzer, and by tests/sequence.
set(model_portable)
foreach(file kernel/boot kernel/delete kernel/elf kernel/entry kernel/fault kernel/invoke kernel/invoke_cnode kernel/invoke_debug
        kernel/invoke_machine kernel/invoke_memory kernel/invoke_sched kernel/invoke_tcb kernel/lookup kernel/object kernel/print
        kernel/slot ipc/cancel ipc/endpoint ipc/fastpath ipc/message ipc/notification ipc/reply ipc/timer sched/heap
        sched/rescue sched/sched_context sched/thread sched/wait_queue mm/frame mm/ranges mm/untyped mm/vspace arch/platform/archive)
    list(APPEND model_portable "${CMAKE_SOURCE_DIR}/${file}.c")
endforeach()
set(model_machine)
foreach(file model model_irq check check_memory check_time)
    list(APPEND model_machine "${CMAKE_CURRENT_LIST_DIR}/${file}.c")
endforeach()
set(model_player "${CMAKE_CURRENT_LIST_DIR}/player.c" "${CMAKE_SOURCE_DIR}/tests/sequence/sequence.c"
    "${CMAKE_SOURCE_DIR}/tests/sequence/world.c")

set(model_includes "${CMAKE_CURRENT_LIST_DIR}/include" "${CMAKE_SOURCE_DIR}" "${CMAKE_SOURCE_DIR}/arch/include"
    "${CMAKE_SOURCE_DIR}/kernel/include" "${CMAKE_SOURCE_DIR}/servers/lib/include")
set(model_definitions _GNU_SOURCE TESSERA_SYSCALL_MODEL=1 TESSERA_KERNEL_DEBUG=1)
# The same for a compiler's command line, with the headers that such a command depends on.
list(TRANSFORM model_includes PREPEND -I OUTPUT_VARIABLE include_flags)
list(TRANSFORM model_definitions PREPEND -D OUTPUT_VARIABLE definition_flags)
set(model_flags -g -Wall -Wextra -Werror ${definition_flags} ${include_flags})
file(GLOB_RECURSE model_headers CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/kernel/*.h" "${CMAKE_SOURCE_DIR}/ipc/*.h"
    "${CMAKE_SOURCE_DIR}/sched/*.h" "${CMAKE_SOURCE_DIR}/mm/*.h" "${CMAKE_SOURCE_DIR}/arch/include/*.h"
    "${CMAKE_CURRENT_LIST_DIR}/*.h" "${CMAKE_SOURCE_DIR}/tests/sequence/*.h")
