# Tests: everything is a CTest test with a time limit and labels.

# tessera_test(NAME COMMAND ... [TIMEOUT seconds] [LABELS more ...])
#
# A test of the current configuration, named CONFIGURATION.NAME and labelled with the configuration.
function(tessera_test name)
    cmake_parse_arguments(arg "" "TIMEOUT" "COMMAND;LABELS" ${ARGN})
    if(NOT arg_TIMEOUT)
        set(arg_TIMEOUT 60)
    endif()
    set(configuration host)
    if(TESSERA_ARCH)
        set(configuration ${TESSERA_ARCH})
    endif()
    add_test(NAME ${configuration}.${name} COMMAND ${arg_COMMAND})
    set_tests_properties(${configuration}.${name} PROPERTIES
        TIMEOUT ${arg_TIMEOUT} LABELS "${configuration};${arg_LABELS}" SKIP_RETURN_CODE 77)
endfunction()

# tessera_boot_test(NAME ARCHIVE name|NONE [BOOT direct|iso] [FIRMWARE bios|uefi] [EXPECT regex ...]
#                   [FORBID regex ...] [STATUS n] [TIMEOUT seconds] [QEMU option ...] [LABELS ...])
#
# Boots the kernel with archives/ARCHIVE.cpio (iso: iso/ARCHIVE.iso) in QEMU. It passes when the guest's verdict is
# STATUS (default 0; fail: 1 to 100) and each EXPECT regex, in this order, matches a line of the console, and no FORBID regex does.
# QEMU options are given to ci/qemu.py, for instance "--cpu;qemu64" or "--memory;16".
function(tessera_boot_test name)
    cmake_parse_arguments(arg "" "ARCH;ARCHIVE;BOOT;FIRMWARE;STATUS;TIMEOUT" "EXPECT;FORBID;QEMU;LABELS" ${ARGN})
    if(arg_UNPARSED_ARGUMENTS)
        message(FATAL_ERROR "tessera_boot_test(${name}): not understood: ${arg_UNPARSED_ARGUMENTS}")
    endif()
    if((arg_ARCH AND NOT arg_ARCH STREQUAL TESSERA_ARCH) OR NOT TARGET kernel)
        return()
    endif()
    if(NOT DEFINED arg_BOOT)
        set(arg_BOOT direct)
    endif()
    if(NOT DEFINED arg_STATUS)
        set(arg_STATUS 0)
    endif()
    if(NOT DEFINED arg_TIMEOUT)
        set(arg_TIMEOUT 60)
    endif()
    set(command ${TESSERA_PYTHON} "${CMAKE_SOURCE_DIR}/ci/qemu.py" --arch ${TESSERA_ARCH} --boot ${arg_BOOT}
        --status ${arg_STATUS} --timeout ${arg_TIMEOUT})
    if(arg_FIRMWARE)
        list(APPEND command --firmware ${arg_FIRMWARE})
    endif()
    if(arg_BOOT STREQUAL "iso")
        list(APPEND command --iso "${CMAKE_BINARY_DIR}/iso/${arg_ARCHIVE}.iso")
    else()
        tessera_kernel_file(kernel_file)
        list(APPEND command --kernel "${kernel_file}")
        if(NOT arg_ARCHIVE STREQUAL "NONE")
            list(APPEND command --archive "${CMAKE_BINARY_DIR}/archives/${arg_ARCHIVE}.cpio")
        endif()
    endif()
    foreach(regex IN LISTS arg_EXPECT)
        list(APPEND command --expect "${regex}")
    endforeach()
    foreach(regex IN LISTS arg_FORBID)
        list(APPEND command --forbid "${regex}")
    endforeach()
    # The runner's own limit fires first and shows the console's last lines; CTest's is the safety net.
    math(EXPR limit "${arg_TIMEOUT} + 15")
    tessera_test(${name} COMMAND ${command} ${arg_QEMU} TIMEOUT ${limit} LABELS boot ${arg_LABELS})
endfunction()
