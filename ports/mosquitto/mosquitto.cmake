# Eclipse Mosquitto's broker, unchanged (docs/mosquitto.md): the sources that its own build takes, without what it does for other
# systems (epoll, Windows, websockets, systemd).
port_source(mosquitto mosquitto)
file(GLOB sources "${mosquitto}/src/*.c")
list(FILTER sources EXCLUDE REGEX "/(mux_epoll|service|websockets|xtreport|plugin_debug|plugin_defer)\\.c$")
foreach(name alias_mosq handle_ping handle_pubackcomp handle_pubrec handle_pubrel handle_suback handle_unsuback memory_mosq
        misc_mosq net_mosq net_mosq_ocsp packet_datatypes packet_mosq property_mosq send_mosq send_connect send_disconnect
        send_publish send_subscribe send_unsubscribe strings_mosq time_mosq tls_mosq util_mosq util_topic utf8_mosq will_mosq)
    list(APPEND sources "${mosquitto}/lib/${name}.c")
endforeach()
tessera_wasm(mosquitto SOCKETS SOURCES ${sources} ${ports_sources}
    SYSTEM_INCLUDES "${ports_include}"
    INCLUDES "${mosquitto}" "${mosquitto}/src" "${mosquitto}/include" "${mosquitto}/lib" "${mosquitto}/deps"
    OPTIONS -w ${ports_emulation} "-DVERSION=\"2.0.11\"" -DWITH_BROKER -DWITH_BRIDGE -DWITH_PERSISTENCE -DWITH_MEMORY_TRACKING
        -DWITH_SYS_TREE -DWITH_CONTROL
    LINK_OPTIONS ${ports_libraries})
