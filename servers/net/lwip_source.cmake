# lwIP's source, of the pinned package (ci/parts.json): LWIP_DIR, LWIP_SOURCES.
execute_process(COMMAND ${TESSERA_PYTHON} "${CMAKE_SOURCE_DIR}/ci/parts.py" fetch lwip OUTPUT_VARIABLE LWIP_DIR
    OUTPUT_STRIP_TRAILING_WHITESPACE RESULT_VARIABLE status)
if(NOT status EQUAL 0)
    message(FATAL_ERROR "lwIP's source is missing: './tessera setup' fetches it")
endif()
file(GLOB LWIP_SOURCES "${LWIP_DIR}/src/core/*.c" "${LWIP_DIR}/src/core/ipv4/*.c" "${LWIP_DIR}/src/core/ipv6/*.c")
list(APPEND LWIP_SOURCES "${LWIP_DIR}/src/netif/ethernet.c")
