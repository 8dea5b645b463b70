# lwIP as the net server has it (docs/network.md): target lwip, unchanged.
include("${CMAKE_CURRENT_LIST_DIR}/lwip_source.cmake")
add_library(lwip STATIC ${LWIP_SOURCES})
target_include_directories(lwip BEFORE PRIVATE lib/libc PUBLIC net "${LWIP_DIR}/src/include" ${server_includes})
target_link_libraries(lwip PRIVATE tessera_image_flags)
# It looks for a segment's connection in our table.
set_source_files_properties("${LWIP_DIR}/src/core/tcp_in.c" PROPERTIES COMPILE_OPTIONS
    "-include;${CMAKE_CURRENT_LIST_DIR}/lookup_tcp_in.h")
# The net server says it instead (path.c), and has a word in that (forged.c).
set_source_files_properties("${LWIP_DIR}/src/core/ipv6/nd6.c" PROPERTIES COMPILE_OPTIONS
    "-Dnd6_get_destination_mtu=nd6_told_mtu;-Dnetif_ip6_addr_set_state=neighbours_say")
# A connection's window is its own (window.c); the net server says whether there is memory to cut a segment (queue.c).
set_source_files_properties("${LWIP_DIR}/src/core/tcp.c" PROPERTIES COMPILE_OPTIONS
    "-include;${CMAKE_CURRENT_LIST_DIR}/window.h;-Dtcp_split_unsent_seg=queue_split")
target_compile_options(lwip PRIVATE -mgeneral-regs-only -O2 -w)
