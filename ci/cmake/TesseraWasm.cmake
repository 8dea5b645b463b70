# WebAssembly modules from C (host configuration) and their translation (target configurations).

set(TESSERA_CLANG clang-19 CACHE STRING "Compiler for wasm32-wasi")

# tessera_wasm(NAME SOURCES a.c ... [OPTIONS flag ...] [LINK_OPTIONS flag ...] [INCLUDES folder ...]
#     [SYSTEM_INCLUDES folder ...] [SOCKETS] [PROCESSES] [DEPENDS file ...])
#
# DEPENDS: what must be there before the sources are compiled.
# SYSTEM_INCLUDES: searched before the C library's own.
# SOCKETS: with the BSD socket library (docs/network.md). PROCESSES: with posix_spawn and its like (docs/processes.md).
# Builds ${CMAKE_BINARY_DIR}/wasm/NAME.wasm with clang-19 and Debian's wasi-libc, -O2; sources are C, or C++ without a
# library when they end in .cc. Host configuration only. Debian's clang searches the host's /usr/include for wasm targets, hence
# -nostdinc with both include folders named.
function(tessera_wasm name)
    cmake_parse_arguments(arg "SOCKETS;PROCESSES" "" "SOURCES;OPTIONS;LINK_OPTIONS;INCLUDES;SYSTEM_INCLUDES;DEPENDS" ${ARGN})
    if(NOT arg_SOURCES OR arg_UNPARSED_ARGUMENTS)
        message(FATAL_ERROR "tessera_wasm(${name}): give SOURCES; not understood: ${arg_UNPARSED_ARGUMENTS}")
    endif()
    set(flags --target=wasm32-wasi -O2 -Wall -Wextra -Werror -nostdinc)
    foreach(folder IN LISTS arg_SYSTEM_INCLUDES)
        list(APPEND flags -isystem "${folder}")
    endforeach()
    if(arg_SOCKETS)
        set(sockets "${CMAKE_SOURCE_DIR}/servers/wasi/socket")
        list(APPEND flags -isystem "${sockets}/include")
        list(APPEND arg_SOURCES "${sockets}/socket.c" "${sockets}/netdb.c" "${sockets}/epoll.c")
    endif()
    if(arg_PROCESSES)
        list(APPEND flags -isystem "${CMAKE_SOURCE_DIR}/servers/wasi/process/include")
        list(APPEND arg_SOURCES "${CMAKE_SOURCE_DIR}/servers/wasi/process/process.c")
    endif()
    list(APPEND flags
        -isystem ${TESSERA_CLANG_INCLUDE} -isystem /usr/include/wasm32-wasi
        "-ffile-prefix-map=${CMAKE_SOURCE_DIR}/=")
    foreach(folder IN LISTS arg_INCLUDES)
        list(APPEND flags "-I${folder}")
    endforeach()
    set(objects)
    foreach(source IN LISTS arg_SOURCES)
        cmake_path(ABSOLUTE_PATH source BASE_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}" NORMALIZE)
        cmake_path(GET source STEM stem)
        cmake_path(GET source EXTENSION LAST_ONLY extension)
        set(language -std=c17)
        if(extension STREQUAL ".cc")
            set(language -std=c++17 -fno-rtti)
        endif()
        string(MD5 source_hash "${source}")
        string(SUBSTRING "${source_hash}" 0 8 source_hash)
        set(object "${CMAKE_BINARY_DIR}/wasm/objects/${name}/${stem}-${source_hash}.o")
        add_custom_command(OUTPUT "${object}"
            COMMAND ${CMAKE_COMMAND} -E make_directory "${CMAKE_BINARY_DIR}/wasm/objects/${name}"
            COMMAND ${TESSERA_CLANG} ${flags} ${language} ${arg_OPTIONS} -MD -MF "${object}.d" -c "${source}" -o "${object}"
            DEPENDS "${source}" ${arg_DEPENDS} DEPFILE "${object}.d" VERBATIM
            COMMENT "Building wasm object ${name}/${stem}.o")
        list(APPEND objects "${object}")
    endforeach()
    set(module "${CMAKE_BINARY_DIR}/wasm/${name}.wasm")
    # No -O for the link: with it clang runs wasm-opt, which drops the names that trap reports need.
    add_custom_command(OUTPUT "${module}"
        COMMAND ${TESSERA_CLANG} --target=wasm32-wasi -Wl,-O2 ${objects} ${arg_LINK_OPTIONS} -o "${module}"
        DEPENDS ${objects} VERBATIM
        COMMENT "Linking module ${name}.wasm")
    add_custom_target(wasm-${name} ALL DEPENDS "${module}")
    add_dependencies(products wasm-${name})
endfunction()

if(TESSERA_ARCH STREQUAL "")
    # Everything of the host configuration that a target configuration reads.
    add_custom_target(products)
    execute_process(COMMAND ${TESSERA_CLANG} -print-resource-dir OUTPUT_VARIABLE clang_resources
        OUTPUT_STRIP_TRAILING_WHITESPACE RESULT_VARIABLE clang_status)
    if(NOT clang_status EQUAL 0)
        message(FATAL_ERROR "${TESSERA_CLANG} does not run: './tessera setup' installs it")
    endif()
    set(TESSERA_CLANG_INCLUDE "${clang_resources}/include")
endif()

# tessera_wat(NAME SOURCE file.wat): the same from WebAssembly text, with wabt. Host configuration only.
function(tessera_wat name)
    cmake_parse_arguments(arg "" "SOURCE" "OPTIONS" ${ARGN})
    cmake_path(ABSOLUTE_PATH arg_SOURCE BASE_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}" NORMALIZE)
    set(module "${CMAKE_BINARY_DIR}/wasm/${name}.wasm")
    add_custom_command(OUTPUT "${module}"
        COMMAND ${CMAKE_COMMAND} -E make_directory "${CMAKE_BINARY_DIR}/wasm"
        COMMAND wat2wasm ${arg_OPTIONS} --debug-names "${arg_SOURCE}" -o "${module}"
        DEPENDS "${arg_SOURCE}" VERBATIM
        COMMENT "Assembling module ${name}.wasm")
    add_custom_target(wasm-${name} ALL DEPENDS "${module}")
    add_dependencies(products wasm-${name})
endfunction()

# tessera_translate(NAME [WASM file.wasm] [MANIFEST file.json] [OPTIONS flag ...])
#
# Translates a module (by default the host configuration's wasm/NAME.wasm) into the program image
# ${CMAKE_BINARY_DIR}/images/NAME, linked with lib/libwasi.a and lib/libwasm_runtime.a (targets wasi and
# wasm_runtime). Target configurations only. System descriptions do not need it: tessera_system translates.
function(tessera_translate name)
    cmake_parse_arguments(arg "" "WASM;MANIFEST" "OPTIONS" ${ARGN})
    if(NOT arg_WASM)
        set(arg_WASM "${TESSERA_HOST_DIR}/wasm/${name}.wasm")
    endif()
    set(manifest)
    if(arg_MANIFEST)
        cmake_path(ABSOLUTE_PATH arg_MANIFEST BASE_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}" NORMALIZE)
        set(manifest --manifest "${arg_MANIFEST}")
    endif()
    if(NOT TARGET wasi OR NOT TARGET wasm_runtime)
        return()
    endif()
    set(translator "${TESSERA_HOST_DIR}/aot/tessera-aot")
    set(image "${CMAKE_BINARY_DIR}/images/${name}")
    add_custom_command(OUTPUT "${image}"
        COMMAND ${CMAKE_COMMAND} -E make_directory "${CMAKE_BINARY_DIR}/images"
        COMMAND "${translator}" --target ${TESSERA_ARCH} --lib-dir "${CMAKE_ARCHIVE_OUTPUT_DIRECTORY}"
            ${manifest} ${arg_OPTIONS} -o "${image}" "${arg_WASM}"
        DEPENDS "${translator}" "${arg_WASM}" ${arg_MANIFEST} wasi wasm_runtime
        VERBATIM COMMENT "Translating ${name} for ${TESSERA_ARCH}")
    add_custom_target(image-${name} ALL DEPENDS "${image}")
endfunction()
