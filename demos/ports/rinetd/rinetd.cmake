# rinetd, unchanged (docs/network.md): the sources that its own build takes, with what its configure would find.
port_source(rinetd rinetd)
set(sources)
foreach(name match net parse rinetd)
    list(APPEND sources "${rinetd}/src/${name}.c")
endforeach()
tessera_wasm(rinetd SOCKETS SOURCES ${sources} SYSTEM_INCLUDES "${ports_include}" LINK_OPTIONS ${ports_libraries}
    OPTIONS -w ${ports_emulation} -D_GNU_SOURCE "-DPACKAGE_VERSION=\"0.73\"" "-DRINETD_CONFIG_FILE=\"/etc/rinetd.conf\""
    "-DRINETD_PID_FILE=\"/tmp/rinetd.pid\"" -DHAVE_ERRNO_H=1 -DHAVE_UNISTD_H=1 -DHAVE_SSIZE_T=1 -DHAVE_SOCKLEN_T=1
    -DTIME_WITH_SYS_TIME=1)
