# lwIP as the net server has it (docs/network.md): target lwip, from the pinned source package (ci/parts.json), unchanged.
execute_process(COMMAND ${TESSERA_PYTHON} "${CMAKE_SOURCE_DIR}/ci/parts.py" fetch lwip OUTPUT_VARIABLE LWIP_DIR
    OUTPUT_STRIP_TRAILING_WHITESPACE RESULT_VARIABLE status)
if(NOT status EQUAL 0)
    message(FATAL_ERROR "lwIP's source is missing: './tessera setup' fetches it")
endif()
file(GLOB LWIP_SOURCES "${LWIP_DIR}/src/core/*.c" "${LWIP_DIR}/src/core/ipv4/*.c" "${LWIP_DIR}/src/core/ipv6/*.c")
add_library(lwip STATIC ${LWIP_SOURCES} "${LWIP_DIR}/src/netif/ethernet.c")
target_include_directories(lwip BEFORE PRIVATE lib/libc PUBLIC net "${LWIP_DIR}/src/include" ${server_includes})
target_link_libraries(lwip PRIVATE tessera_image_flags)
# It looks for a segment's connection in our table.
set_source_files_properties("${LWIP_DIR}/src/core/tcp_in.c" PROPERTIES COMPILE_OPTIONS
    "-include;${CMAKE_CURRENT_LIST_DIR}/lookup_tcp_in.h")
target_compile_options(lwip PRIVATE -mgeneral-regs-only -O2 -w)
