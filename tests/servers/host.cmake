# Host tests of the servers' portable parts, under ASan and UBSan; the rings also under TSan.
function(server_host_test name)
    cmake_parse_arguments(arg "" "SANITIZE" "SOURCES" ${ARGN})
    add_executable(servers-${name} ${arg_SOURCES})
    target_include_directories(servers-${name} PRIVATE "${CMAKE_SOURCE_DIR}" "${CMAKE_SOURCE_DIR}/servers"
        "${CMAKE_SOURCE_DIR}/servers/lib/include" "${CMAKE_SOURCE_DIR}/aot")
    target_link_libraries(servers-${name} PRIVATE tessera_host_flags pthread)
    # TSan knows no fences; the order that they give is not what it checks.
    target_compile_options(servers-${name} PRIVATE -fsanitize=${arg_SANITIZE} -fno-sanitize-recover=all)
    if(arg_SANITIZE STREQUAL "thread")
        target_compile_options(servers-${name} PRIVATE -Wno-tsan)
    endif()
    target_link_options(servers-${name} PRIVATE -fsanitize=${arg_SANITIZE})
    tessera_test(servers-${name} COMMAND servers-${name} TIMEOUT 120)
endfunction()

set(lib "${CMAKE_SOURCE_DIR}/servers/lib")
server_host_test(stream SANITIZE address,undefined SOURCES host/stream.c "${lib}/stream.c")
server_host_test(stream-threads SANITIZE thread SOURCES host/stream_threads.c "${lib}/stream.c")
server_host_test(text SANITIZE address,undefined SOURCES host/text.c "${lib}/random.c" "${lib}/text.c")
server_host_test(net-pattern SANITIZE address,undefined SOURCES host/net_pattern.c "${lib}/net_pattern.c" "${lib}/text.c")
server_host_test(threads SANITIZE address,undefined
    SOURCES host/threads.c "${CMAKE_SOURCE_DIR}/servers/process/thread.c")
target_compile_definitions(servers-threads PRIVATE TESSERA_SYSCALL_MODEL)
target_include_directories(servers-threads PRIVATE "${CMAKE_SOURCE_DIR}/kernel/include")
# The description compiler's output, whole, cut and changed, into the reader that the target uses.
server_host_test(system SANITIZE address,undefined
    SOURCES host/system.c "${lib}/system.c" "${lib}/text.c" "${CMAKE_SOURCE_DIR}/aot/image/image_check.c")
set_tests_properties(host.servers-system PROPERTIES ENVIRONMENT
    "TESSERA_DESCRIPTION=${CMAKE_CURRENT_BINARY_DIR}/system.bin")
tessera_test(servers-description COMMAND ${TESSERA_PYTHON} "${CMAKE_CURRENT_SOURCE_DIR}/host/description.py"
    "${CMAKE_CURRENT_BINARY_DIR}/system.bin" TIMEOUT 60)
set_tests_properties(host.servers-description PROPERTIES FIXTURES_SETUP description)
set_tests_properties(host.servers-system PROPERTIES FIXTURES_REQUIRED description)
server_host_test(share SANITIZE address,undefined SOURCES host/share.c "${lib}/share.c" "${lib}/text.c")
