# The net server and lwIP on the host, fuzzed by coverage (stack.h): a shared object of their sources, and the program around it.
include("${CMAKE_SOURCE_DIR}/servers/net/lwip_source.cmake")
set(stack_object "${CMAKE_CURRENT_BINARY_DIR}/libnet-stack.so")
set(stack_fuzzer "${CMAKE_CURRENT_BINARY_DIR}/net-stack-fuzz")
set(stack_folder "${CMAKE_CURRENT_LIST_DIR}")
set(stack_sources ${LWIP_SOURCES})
list(REMOVE_ITEM stack_sources "${LWIP_DIR}/src/core/tcp.c" "${LWIP_DIR}/src/core/tcp_in.c" "${LWIP_DIR}/src/core/ipv6/nd6.c")
file(GLOB stack_server CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/servers/net/*.c")
list(APPEND stack_sources ${stack_server} "${stack_folder}/tcp_model.c" "${stack_folder}/tcp_in_model.c" "${stack_folder}/nd6_model.c")
foreach(name server text stream random net_pattern share share_client)
    list(APPEND stack_sources "${CMAKE_SOURCE_DIR}/servers/lib/${name}.c")
endforeach()
set(stack_world "${stack_folder}/world.c" "${stack_folder}/host.c" "${stack_folder}/steps.c" "${stack_folder}/memory.c")
file(GLOB stack_headers CONFIGURE_DEPENDS "${stack_folder}/*.h" "${CMAKE_SOURCE_DIR}/servers/net/*.h" "${CMAKE_SOURCE_DIR}/servers/net/arch/*.h"
    "${CMAKE_SOURCE_DIR}/servers/proto/*.h" "${CMAKE_SOURCE_DIR}/servers/lib/include/tessera/*.h")
set(stack_flags -std=gnu17 -D_GNU_SOURCE -DTESSERA_SYSCALL_MODEL -g -O1 "-I${CMAKE_SOURCE_DIR}/servers/net" "-I${LWIP_DIR}/src/include"
    "-I${CMAKE_SOURCE_DIR}" "-I${CMAKE_SOURCE_DIR}/servers" "-I${CMAKE_SOURCE_DIR}/servers/lib/include" "-I${CMAKE_SOURCE_DIR}/kernel/include"
    -idirafter "${CMAKE_SOURCE_DIR}/aot" -fno-sanitize-recover=all)
# memory.c watches lwIP's memory.
set(stack_wrapped mem_malloc mem_free mem_trim memp_init memp_malloc memp_free pbuf_alloced_custom)
list(TRANSFORM stack_wrapped PREPEND "-Wl,--wrap=")
add_custom_command(OUTPUT "${stack_object}"
    COMMAND clang-19 -shared -fPIC ${stack_flags} -w "-I${LWIP_DIR}/src" -include "${stack_folder}/clock_model.h"
        -fsanitize=fuzzer-no-link,address,undefined "-fsanitize-ignorelist=${stack_folder}/ignore.txt" -Wl,-Bsymbolic ${stack_wrapped}
        ${stack_sources} -o "${stack_object}"
    DEPENDS ${stack_sources} ${stack_headers} "${stack_folder}/ignore.txt" VERBATIM COMMENT "Building the net server for the host")
add_custom_command(OUTPUT "${stack_fuzzer}"
    COMMAND clang-19 ${stack_flags} -Wall -Wextra -Werror -Wno-missing-field-initializers -fsanitize=fuzzer,address,undefined
        "-fsanitize-coverage-ignorelist=${CMAKE_SOURCE_DIR}/tests/host-kernel/fuzz_ignore.txt" ${stack_world} "${stack_object}"
        "-Wl,-rpath,${CMAKE_CURRENT_BINARY_DIR}" -o "${stack_fuzzer}"
    DEPENDS ${stack_world} ${stack_headers} "${stack_object}" VERBATIM COMMENT "Building the net server's fuzzer")
# Situations in place of steps.
set(stack_hold "${CMAKE_CURRENT_BINARY_DIR}/net-stack-hold")
set(stack_situations "${stack_folder}/world.c" "${stack_folder}/host.c" "${stack_folder}/hold.c" "${stack_folder}/memory.c")
add_custom_command(OUTPUT "${stack_hold}"
    COMMAND clang-19 ${stack_flags} -Wall -Wextra -Werror -Wno-missing-field-initializers -fsanitize=address,undefined
        ${stack_situations} "${stack_object}" -lpthread "-Wl,-rpath,${CMAKE_CURRENT_BINARY_DIR}" -o "${stack_hold}"
    DEPENDS ${stack_situations} ${stack_headers} "${stack_object}" VERBATIM COMMENT "Building the net server's situations")
add_custom_target(net-stack-fuzzer ALL DEPENDS "${stack_fuzzer}" "${stack_hold}")
tessera_test(net-stack-hold TIMEOUT 60 COMMAND "${stack_hold}")
tessera_test(net-stack-fuzz LABELS fuzz TIMEOUT 60
    COMMAND ${TESSERA_PYTHON} "${CMAKE_SOURCE_DIR}/tests/harness/fuzz.py" --fuzzer "${stack_fuzzer}" --corpus "${stack_folder}/corpus.bin"
        --longest 1000 --seconds 4)
