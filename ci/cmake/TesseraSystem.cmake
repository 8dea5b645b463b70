# Native programs, system archives and boot images (target configurations).

set(TESSERA_PYTHON /usr/bin/python3 CACHE FILEPATH "Python for the build's own scripts")
set(TESSERA_PROGRAM_BASE 0x400000 CACHE STRING "Link address of native user programs")

# tessera_program(NAME SOURCES a.c ... [FP] [SYSTEM] [LINK library ...] [LINKER_SCRIPT file] [OPTIONS flag ...])
#
# A native user-mode program: static ELF64 at a fixed address, ${CMAKE_BINARY_DIR}/programs/NAME. Built
# without FP and SIMD unless FP is given. SYSTEM: every system archive carries it as member NAME.
function(tessera_program name)
    cmake_parse_arguments(arg "FP;SYSTEM" "LINKER_SCRIPT" "SOURCES;LINK;OPTIONS" ${ARGN})
    if(NOT arg_SOURCES OR arg_UNPARSED_ARGUMENTS)
        message(FATAL_ERROR "tessera_program(${name}): give SOURCES; not understood: ${arg_UNPARSED_ARGUMENTS}")
    endif()
    add_executable(${name} ${arg_SOURCES})
    set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/programs")
    target_compile_options(${name} PRIVATE ${arg_OPTIONS})
    if(arg_FP)
        target_link_libraries(${name} PRIVATE tessera_user_fp_flags)
    else()
        target_link_libraries(${name} PRIVATE tessera_user_flags)
    endif()
    target_link_libraries(${name} PRIVATE ${arg_LINK} gcc)
    if(arg_SYSTEM)
        set_property(GLOBAL APPEND PROPERTY TESSERA_SYSTEM_PROGRAMS ${name})
    endif()
    if(arg_LINKER_SCRIPT)
        cmake_path(ABSOLUTE_PATH arg_LINKER_SCRIPT BASE_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}" NORMALIZE)
        target_link_options(${name} PRIVATE "LINKER:-T,${arg_LINKER_SCRIPT}")
        set_property(TARGET ${name} APPEND PROPERTY LINK_DEPENDS "${arg_LINKER_SCRIPT}")
    else()
        target_link_options(${name} PRIVATE "LINKER:-Ttext-segment=${TESSERA_PROGRAM_BASE}" "LINKER:-z,separate-code")
    endif()
endfunction()

# tessera_archive(NAME MEMBERS name=target-or-file ... [DEPENDS ...])
#
# The system archive ${CMAKE_BINARY_DIR}/archives/NAME.cpio (docs/archive.md). A member's content is a
# CMake target's file or a path; the first member should be the root task.
function(tessera_archive name)
    cmake_parse_arguments(arg "" "" "MEMBERS;DEPENDS" ${ARGN})
    set(members)
    set(inputs ${arg_DEPENDS})
    foreach(member IN LISTS arg_MEMBERS)
        if(NOT member MATCHES "^([^=]+)=(.+)$")
            message(FATAL_ERROR "tessera_archive(${name}): '${member}' is not name=file")
        endif()
        set(member_name "${CMAKE_MATCH_1}")
        set(content "${CMAKE_MATCH_2}")
        if(TARGET ${content})
            list(APPEND inputs ${content})
            set(content "$<TARGET_FILE:${content}>")
        else()
            cmake_path(ABSOLUTE_PATH content BASE_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}" NORMALIZE)
            list(APPEND inputs "${content}")
        endif()
        list(APPEND members "${member_name}=${content}")
    endforeach()
    set(output "${CMAKE_BINARY_DIR}/archives/${name}.cpio")
    add_custom_command(OUTPUT "${output}"
        COMMAND ${CMAKE_COMMAND} -E make_directory "${CMAKE_BINARY_DIR}/archives"
        COMMAND ${TESSERA_PYTHON} "${CMAKE_SOURCE_DIR}/ci/archive.py" write "${output}" ${members}
        DEPENDS ${inputs} "${CMAKE_SOURCE_DIR}/ci/archive.py" VERBATIM
        COMMENT "Packing archive ${name}.cpio")
    add_custom_target(archive-${name} ALL DEPENDS "${output}")
    if(name MATCHES "^bench-")
        set_property(GLOBAL APPEND PROPERTY TESSERA_BENCH_ARCHIVES ${name})
    endif()
endfunction()

# tessera_system(NAME description.json [IMAGES image ...])
#
# The system archive ${CMAKE_BINARY_DIR}/archives/NAME.cpio of a system description (docs/system.md): the SYSTEM programs, the compiled
# description, the images (modules are translated on the way) and the files it names. Call it after the servers are known.
# Images that are not modules of tessera_wasm are found in images/ and programs/; name their targets in IMAGES. A description
# can be packed once the root task and the WASI library are part of the build.
function(tessera_system name description)
    cmake_parse_arguments(arg "" "" "IMAGES" ${ARGN})
    if(NOT TARGET root OR NOT TARGET wasi OR NOT TARGET wasm_runtime)
        return()
    endif()
    cmake_path(ABSOLUTE_PATH description BASE_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}" NORMALIZE)
    set(output "${CMAKE_BINARY_DIR}/archives/${name}.cpio")
    get_property(programs GLOBAL PROPERTY TESSERA_SYSTEM_PROGRAMS)
    # What the description leads to is in the dependency file that the packer writes.
    add_custom_command(OUTPUT "${output}"
        COMMAND ${TESSERA_PYTHON} "${CMAKE_SOURCE_DIR}/ci/system_image.py" "${description}" --arch ${TESSERA_ARCH}
            --host-dir "${TESSERA_HOST_DIR}" --build-dir "${CMAKE_BINARY_DIR}" -o "${output}" --depfile "${output}.d"
        DEPENDS "${description}" ${programs} pci rng-virtio console-virtio wasi wasm_runtime ${arg_IMAGES} "${TESSERA_HOST_DIR}/aot/tessera-aot"
            "${CMAKE_SOURCE_DIR}/ci/system_image.py" "${CMAKE_SOURCE_DIR}/ci/system_description.py"
            "${CMAKE_SOURCE_DIR}/ci/archive.py"
        DEPFILE "${output}.d" VERBATIM
        COMMENT "Packing system ${name}")
    add_custom_target(archive-${name} ALL DEPENDS "${output}")
    if(name MATCHES "^bench-")
        set_property(GLOBAL APPEND PROPERTY TESSERA_BENCH_ARCHIVES ${name})
    endif()
endfunction()

# tessera_replaced(NAME ARCHIVE MEMBER PROGRAM): the system archive ARCHIVE with another program as that member: for tests, in
# which a part fails.
function(tessera_replaced name archive member program)
    set(whole "${CMAKE_BINARY_DIR}/archives/${archive}.cpio")
    set(output "${CMAKE_BINARY_DIR}/archives/${name}.cpio")
    set(replace "${CMAKE_SOURCE_DIR}/tests/harness/replace_member.py")
    add_custom_command(OUTPUT "${output}"
        COMMAND ${TESSERA_PYTHON} "${replace}" "${whole}" ${member} $<TARGET_FILE:${program}> "${output}"
        DEPENDS archive-${archive} "${whole}" ${program} "${replace}" "${CMAKE_SOURCE_DIR}/ci/archive.py" VERBATIM)
    add_custom_target(archive-${name} ALL DEPENDS "${output}")
endfunction()

# Lists for the tools outside the build: the SYSTEM programs for `./tessera image`, the archives whose name begins with bench- for
# `./tessera bench`. The top level calls it when all folders are read.
function(tessera_write_lists)
    get_property(benches GLOBAL PROPERTY TESSERA_BENCH_ARCHIVES)
    list(JOIN benches "\n" text)
    file(GENERATE OUTPUT "${CMAKE_BINARY_DIR}/bench-archives.txt" CONTENT "${text}\n")
    list(TRANSFORM benches PREPEND archive-)
    if(TARGET kernel)
        list(APPEND benches kernel)
    endif()
    add_custom_target(bench-files DEPENDS ${benches})
    get_property(programs GLOBAL PROPERTY TESSERA_SYSTEM_PROGRAMS)
    list(JOIN programs "\n" text)
    file(GENERATE OUTPUT "${CMAKE_BINARY_DIR}/system-programs.txt" CONTENT "${text}\n")
    set(existing)
    foreach(target kernel wasi wasm_runtime pci blk-virtio rng-virtio console-virtio store net-virtio net ${programs})
        if(TARGET ${target})
            list(APPEND existing ${target})
        endif()
    endforeach()
    # What `./tessera image` needs of a target configuration.
    add_custom_target(system-parts DEPENDS ${existing})
endfunction()

# tessera_iso(NAME [ARCHIVE archive]): build/ARCH/iso/NAME.iso, the kernel and archives/ARCHIVE.cpio as a
# bootable image. ARCHIVE is a name given to tessera_archive or tessera_system; by default NAME.
function(tessera_iso name)
    cmake_parse_arguments(arg "" "ARCHIVE" "" ${ARGN})
    if(NOT arg_ARCHIVE)
        set(arg_ARCHIVE ${name})
    endif()
    if(NOT TARGET kernel OR NOT TARGET archive-${arg_ARCHIVE})
        return()
    endif()
    set(archive "${CMAKE_BINARY_DIR}/archives/${arg_ARCHIVE}.cpio")
    set(output "${CMAKE_BINARY_DIR}/iso/${name}.iso")
    tessera_kernel_file(kernel_file)
    add_custom_command(OUTPUT "${output}"
        COMMAND ${TESSERA_PYTHON} "${CMAKE_SOURCE_DIR}/ci/iso.py" --arch ${TESSERA_ARCH} --kernel "${kernel_file}"
            --archive "${archive}" -o "${output}"
        DEPENDS kernel archive-${arg_ARCHIVE} "${archive}" "${CMAKE_SOURCE_DIR}/ci/iso.py" VERBATIM
        COMMENT "Making boot image ${name}.iso")
    add_custom_target(iso-${name} ALL DEPENDS "${output}")
endfunction()

# The file that boots: the ELF on x86-64, the Image (also an EFI application) on arm64.
function(tessera_kernel_file out)
    if(TESSERA_ARCH STREQUAL "arm64")
        set(${out} "${CMAKE_BINARY_DIR}/kernel/Image" PARENT_SCOPE)
    else()
        set(${out} "${CMAKE_BINARY_DIR}/kernel/tessera.elf" PARENT_SCOPE)
    endif()
endfunction()
