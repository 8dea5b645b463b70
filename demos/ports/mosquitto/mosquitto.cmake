# Eclipse Mosquitto's broker, unchanged (docs/mosquitto.md): the sources that its own build takes, without what it does for other
# systems (Windows, websockets, systemd).
port_source(mosquitto mosquitto)
file(GLOB sources "${mosquitto}/src/*.c")
list(FILTER sources EXCLUDE REGEX "/(service|websockets|xtreport|plugin_debug|plugin_defer)\\.c$")
foreach(name alias_mosq handle_ping handle_pubackcomp handle_pubrec handle_pubrel handle_suback handle_unsuback memory_mosq
        misc_mosq net_mosq net_mosq_ocsp packet_datatypes packet_mosq property_mosq send_mosq send_connect send_disconnect
        send_publish send_subscribe send_unsubscribe strings_mosq time_mosq tls_mosq util_mosq util_topic utf8_mosq will_mosq)
    list(APPEND sources "${mosquitto}/lib/${name}.c")
endforeach()
set(mosquitto_build SOCKETS SOURCES ${sources} ${ports_sources} "${CMAKE_CURRENT_LIST_DIR}/durable.c")
set(mosquitto_link -Wl,--wrap=socket,--wrap=rename,--wrap=fsync,--wrap=fclose,--wrap=persist__backup ${ports_libraries})
set(mosquitto_includes "${mosquitto}" "${mosquitto}/src" "${mosquitto}/include" "${mosquitto}/lib" "${mosquitto}/deps")
set(mosquitto_options -w ${ports_emulation} "-DVERSION=\"2.0.11\"" -DWITH_BROKER -DWITH_BRIDGE -DWITH_PERSISTENCE
    -DWITH_MEMORY_TRACKING -DREAL_WITH_MEMORY_TRACKING -DWITH_SYS_TREE -DWITH_CONTROL -DWITH_EPOLL)
tessera_wasm(mosquitto ${mosquitto_build} SYSTEM_INCLUDES "${ports_include}" INCLUDES ${mosquitto_includes}
    OPTIONS ${mosquitto_options} LINK_OPTIONS ${mosquitto_link})

# With OpenSSL. There is no console to ask for a key's password.
set(openssl "${CMAKE_BINARY_DIR}/openssl")
add_custom_command(OUTPUT "${openssl}/lib/libssl.a" "${openssl}/lib/libcrypto.a"
    COMMAND ${TESSERA_PYTHON} "${CMAKE_SOURCE_DIR}/ci/openssl.py" "${openssl}"
    DEPENDS "${CMAKE_SOURCE_DIR}/ci/openssl.py" VERBATIM COMMENT "Making OpenSSL for wasm32-wasi")
add_custom_target(openssl DEPENDS "${openssl}/lib/libssl.a")
tessera_wasm(mosquitto-tls ${mosquitto_build} SYSTEM_INCLUDES "${ports_include}" INCLUDES ${mosquitto_includes} "${openssl}/include"
    OPTIONS ${mosquitto_options} -DWITH_TLS -DWITH_TLS_PSK -DWITH_EC -DUI_OpenSSL=UI_null DEPENDS "${openssl}/lib/libssl.a"
    LINK_OPTIONS "${openssl}/lib/libssl.a" "${openssl}/lib/libcrypto.a" -Wl,-u,getentropy ${mosquitto_link}
        -lwasi-emulated-mman)
